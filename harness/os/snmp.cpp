#include "harness/os/snmp.hpp"

#include <charconv>
#include <optional>
#include <sstream>
#include <string_view>
#include <vector>

#include "harness/base/files.hpp"
#include "harness/os/kernel_text.hpp"

namespace grit {
namespace {

/// More than any kernel's, so that a file that is none of the kernel's is not read whole.
constexpr std::size_t kMostBytes = std::size_t{1} << 20;

std::optional<std::int64_t> number(std::string_view word) {
  std::int64_t value = 0;
  const auto parsed = std::from_chars(word.data(), word.data() + word.size(), value);
  if (parsed.ec != std::errc{} || parsed.ptr != word.data() + word.size()) return std::nullopt;
  return value;
}

/// Names in one line that starts with the group ("Tcp:"), the values in the next.
void add_groups(std::string_view text, std::map<std::string, std::int64_t>& counters) {
  std::vector<std::string_view> names;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const auto words = words_of(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (words.empty() || !words[0].ends_with(':')) continue;
    if (names.empty() || names[0] != words[0]) {
      names = words;
      continue;
    }
    const std::string group(words[0].substr(0, words[0].size() - 1));
    for (std::size_t i = 1; i < std::min(names.size(), words.size()); ++i)
      if (const auto value = number(words[i])) counters[group + "." + std::string(names[i])] = *value;
    names.clear();
  }
}

}  // namespace

Result<std::map<std::string, std::int64_t>> read_network_counters(const std::filesystem::path& proc) {
  std::map<std::string, std::int64_t> counters;
  for (const char* file : {"thread-self/net/snmp", "thread-self/net/netstat"}) {
    GRIT_TRY(const std::string text, read_file(proc / file, kMostBytes));
    add_groups(text, counters);
  }
  return counters;
}

Result<FragmentCounters> read_fragment_counters() {
  FragmentCounters counters;
  std::map<std::string, std::int64_t> four;
  GRIT_TRY(const std::string text, read_file("/proc/thread-self/net/snmp", kMostBytes));
  add_groups(text, four);
  counters.made = four["Ip.FragCreates"];
  counters.failed = four["Ip.FragFails"];
  const auto six = read_file("/proc/thread-self/net/snmp6");  // not there without IPv6
  std::istringstream pairs(six ? *six : std::string());
  for (std::string name, value; pairs >> name >> value;) {
    if (name == "Ip6FragCreates") counters.made += number(value).value_or(0);
    if (name == "Ip6FragFails") counters.failed += number(value).value_or(0);
  }
  return counters;
}

}  // namespace grit
