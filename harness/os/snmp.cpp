#include "harness/os/snmp.hpp"

#include <sstream>
#include <string>
#include <vector>

#include "harness/base/files.hpp"

namespace grit {
namespace {

std::vector<std::string> words_of(const std::string& line) {
  std::istringstream stream(line);
  std::vector<std::string> words;
  for (std::string word; stream >> word;) words.push_back(word);
  return words;
}

std::int64_t number(const std::string& word) { return std::strtoll(word.c_str(), nullptr, 10); }

}  // namespace

Result<FragmentCounters> read_fragment_counters() {
  FragmentCounters counters;
  // Names in one line that starts with "Ip:", the values in the next.
  GRIT_TRY(const std::string four, read_file("/proc/thread-self/net/snmp"));
  std::istringstream lines(four);
  std::vector<std::string> names;
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("Ip: ")) continue;
    const auto words = words_of(line);
    if (names.empty()) {
      names = words;
      continue;
    }
    for (std::size_t i = 1; i < std::min(names.size(), words.size()); ++i) {
      if (names[i] == "FragCreates") counters.made += number(words[i]);
      if (names[i] == "FragFails") counters.failed += number(words[i]);
    }
  }
  const auto six = read_file("/proc/thread-self/net/snmp6");  // not there without IPv6
  std::istringstream pairs(six ? *six : std::string());
  for (std::string name, value; pairs >> name >> value;) {
    if (name == "Ip6FragCreates") counters.made += number(value);
    if (name == "Ip6FragFails") counters.failed += number(value);
  }
  return counters;
}

}  // namespace grit
