#include "harness/cluster/host_list.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <set>
#include <sstream>
#include <utility>

#include "harness/base/files.hpp"
#include "harness/base/printable.hpp"

namespace grit {
namespace {

constexpr std::size_t kMaxFile_bytes = std::size_t{16} << 20;
constexpr std::size_t kMaxName_bytes = 253;  // RFC 1035, 2.3.4
constexpr std::size_t kMaxDigits = 9;        // of a number between brackets

bool is_digit(char c) { return c >= '0' && c <= '9'; }
/// RFC 1123, '_', which many sites use, and ':', which is_ipv6() looks at.
bool is_of_name(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '.' || c == '_' ||
         c == ':';
}

bool is_ipv6(const std::string& name) {
  in6_addr address{};
  return ::inet_pton(AF_INET6, name.c_str(), &address) == 1;
}

/// "n[01-64,70],login" from left to right.
class HostListParser {
 public:
  explicit HostListParser(std::string_view text) : text_(text) {}

  Result<std::vector<std::string>> parse() {
    for (;;) {
      const std::size_t start = at_;
      GRIT_TRY(auto names, expression());
      for (auto& name : names) {
        if (name.find(':') != std::string::npos && !is_ipv6(name)) {
          at_ = text_.find(':', start);
          return wrong("':' is of IPv6 addresses alone; slots are given by --ranks-per-node");
        }
        if (name.size() > kMaxName_bytes) return wrong("a host name of more than 253 characters");
        if (known_.insert(name).second) hosts_.push_back(std::move(name));
      }
      if (hosts_.size() > kMostHosts) return too_many();
      if (at_ == text_.size()) return std::move(hosts_);
      if (text_[at_] != ',') return wrong("a comma was expected here");
      ++at_;
    }
  }

 private:
  [[nodiscard]] Failure wrong(const std::string& what) const {
    return usage_error(
        fmt::format("host list \"{}\", character {}: {}", printable(std::string(text_.substr(0, 200))), at_ + 1, what));
  }
  [[nodiscard]] Failure too_many() const { return wrong(fmt::format("these are more than {} hosts", kMostHosts)); }

  /// Up to the next comma outside of brackets.
  Result<std::vector<std::string>> expression() {
    const std::size_t start = at_;
    std::vector<std::string> names{""};
    while (at_ < text_.size() && text_[at_] != ',') {
      if (text_[at_] == '[') {
        GRIT_TRY(const auto numbers, bracket());
        if (names.size() * numbers.size() > kMostHosts) return too_many();
        std::vector<std::string> longer;
        for (const auto& name : names)
          for (const auto& number : numbers) longer.push_back(name + number);
        names = std::move(longer);
        continue;
      }
      if (!is_of_name(text_[at_])) return wrong("a character that no host name has");
      if (at_ == start && text_[at_] == '-') return wrong("a host name does not begin with '-'");
      for (auto& name : names) name += text_[at_];
      ++at_;
    }
    if (at_ == start) return wrong("a host name was expected here");
    return names;
  }

  /// "[01-64,70]"
  Result<std::vector<std::string>> bracket() {
    const std::size_t open = at_++;
    std::vector<std::string> numbers;
    for (;;) {
      GRIT_CHECK(range(numbers));
      if (at_ < text_.size() && text_[at_] == ']') break;
      if (at_ == text_.size()) return at_ = open, wrong("this bracket is not closed");
      if (text_[at_] != ',') return wrong("a number, ',', '-' or ']' was expected here");
      ++at_;
    }
    ++at_;
    return numbers;
  }

  Status range(std::vector<std::string>& numbers) {
    const std::size_t start = at_;
    GRIT_TRY(const std::string first, digits());
    std::string last = first;
    if (at_ < text_.size() && text_[at_] == '-') {
      ++at_;
      GRIT_TRY(last, digits());
    }
    const std::size_t behind = std::exchange(at_, start);
    // "[8-12]" has no zeros in front; "[08-12]" has, and all are as wide.
    if (first.size() != last.size() && (first.starts_with('0') || last.starts_with('0')))
      return wrong(fmt::format("{} and {} are not written with as many digits", first, last));
    int from = 0, to = 0;
    std::from_chars(first.data(), first.data() + first.size(), from);
    std::from_chars(last.data(), last.data() + last.size(), to);
    if (from > to) return wrong(fmt::format("the range {}-{} runs backwards", first, last));
    if (numbers.size() + static_cast<std::size_t>(to - from) + 1 > kMostHosts) return too_many();
    for (int number = from; number <= to; ++number) numbers.push_back(fmt::format("{:0{}}", number, first.size()));
    at_ = behind;
    return {};
  }

  Result<std::string> digits() {
    const std::size_t start = at_;
    while (at_ < text_.size() && is_digit(text_[at_])) ++at_;
    if (at_ == start) return wrong(at_ == text_.size() ? "this bracket is not closed" : "a number was expected here");
    if (at_ - start > kMaxDigits) return at_ = start, wrong("a number of more than 9 digits");
    return std::string(text_.substr(start, at_ - start));
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::vector<std::string> hosts_{};
  std::set<std::string> known_{};
};

/// A name that ends with a number: "r1n07" is "r1n", "07". Slurm reads no brackets in the middle of a name.
struct NumberedName {
  std::string before{}, digits{};
};

NumberedName split(const std::string& name) {
  std::size_t first = name.size();
  while (first > 0 && is_digit(name[first - 1])) --first;
  if (name.size() - first > kMaxDigits || name.find(':') != std::string::npos) return {name, ""};
  return {name.substr(0, first), name.substr(first)};
}

/// "01-03,07" of ascending numbers that are all written this wide, or without zeros in front (width 0).
std::string ranges(const std::vector<int>& numbers, std::size_t width) {
  std::string text;
  for (std::size_t i = 0; i < numbers.size();) {
    std::size_t next = i + 1;
    while (next < numbers.size() && numbers[next] == numbers[next - 1] + 1) ++next;
    text += fmt::format("{}{:0{}}", text.empty() ? "" : ",", numbers[i], width);
    if (next > i + 1) text += fmt::format("-{:0{}}", numbers[next - 1], width);
    i = next;
  }
  return text;
}

std::string without_comment(std::string line) {
  line.erase(std::min(line.find('#'), line.size()));
  return line;
}

/// Of "NAME=VALUE" words, by name without regard to case as Slurm reads it; empty: it is not there.
std::string value_of(const std::string& line, std::string_view name) {
  std::istringstream words(line);
  for (std::string word; words >> word;) {
    const auto equals = word.find('=');
    if (equals != name.size()) continue;
    const auto same = [](char a, char b) { return std::tolower(static_cast<unsigned char>(a)) == b; };
    if (std::equal(name.begin(), name.end(), word.begin(), [&](char b, char a) { return same(a, b); }))
      return word.substr(equals + 1);
  }
  return "";
}

struct GroupLine {
  std::string group{}, hosts{};
};

/// Empty hosts: a line that names none.
Result<GroupLine> group_of_line(const std::string& line) {
  std::istringstream words(line);
  std::string first, second, third;
  words >> first >> second >> third;
  if (first.find('=') != std::string::npos) {  // topology.conf(5)
    GroupLine made{value_of(line, "switchname"), value_of(line, "nodes")};
    if (made.group.empty()) return usage_error("\"SwitchName=\" is missing");
    return made;
  }
  if (second.empty() || !third.empty())
    return usage_error("\"GROUP HOSTLIST\" or \"SwitchName=... Nodes=...\" was expected");
  return GroupLine{first, second};
}

Failure in_line(int number, Error error) { return with_context(std::move(error), fmt::format("line {}", number)); }

}  // namespace

Result<std::vector<std::string>> parse_host_list(std::string_view text) { return HostListParser(text).parse(); }

std::string compressed_host_list(std::vector<std::string> hosts) {
  // Names that differ in their number only, by what is in front of it and its width (0: no zeros in front).
  std::map<std::pair<std::string, std::size_t>, std::vector<int>> numbers;
  std::set<std::string> plain;
  for (const auto& host : hosts) {
    const auto [before, digits] = split(host);
    if (digits.empty()) {
      plain.insert(host);
      continue;
    }
    const bool has_zeros = digits.size() > 1 && digits.front() == '0';
    numbers[{before, has_zeros ? digits.size() : 0}].push_back(std::stoi(digits));
  }
  // "08" and "12" are of one width: what has zeros in front takes in what is as wide without.
  for (auto& [key, padded] : numbers) {
    const auto& [before, width] = key;
    const auto unpadded = numbers.find({before, 0});
    if (width == 0 || unpadded == numbers.end()) continue;
    const auto moved = [&, wide = width](int number) { return std::to_string(number).size() == wide; };
    std::copy_if(unpadded->second.begin(), unpadded->second.end(), std::back_inserter(padded), moved);
    std::erase_if(unpadded->second, moved);
  }
  std::vector<std::string> parts;
  for (auto& [key, found] : numbers) {
    const auto& [before, width] = key;
    if (found.empty()) continue;
    std::sort(found.begin(), found.end());
    found.erase(std::unique(found.begin(), found.end()), found.end());
    const auto inside = ranges(found, width);
    parts.push_back(before + (found.size() == 1 ? inside : "[" + inside + "]"));
  }
  parts.insert(parts.end(), plain.begin(), plain.end());
  return fmt::format("{}", fmt::join(parts, ","));
}

Result<std::vector<std::string>> hosts_of_option(const std::string& text) {
  std::error_code no_file;
  if (!std::filesystem::is_regular_file(text, no_file)) {
    auto hosts = parse_host_list(text);
    if (!hosts) return with_context(hosts.error(), "--hosts: no such file, and no list of hosts");
    return hosts;
  }
  GRIT_TRY(const std::string file, read_file(text, kMaxFile_bytes));
  std::vector<std::string> hosts;
  std::set<std::string> known;
  std::istringstream lines(file);
  int number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    std::istringstream words(without_comment(line));
    std::string first;
    if (!(words >> first)) continue;
    auto of_line = parse_host_list(first);
    if (!of_line) return with_context(in_line(number, of_line.error()).value(), text);
    for (auto& host : *of_line)
      if (known.insert(host).second) hosts.push_back(std::move(host));
    if (hosts.size() > kMostHosts) return usage_error(fmt::format("{}: more than {} hosts", text, kMostHosts));
  }
  if (hosts.empty()) return usage_error(fmt::format("--hosts: nobody is in the file {}", text));
  return hosts;
}

Result<std::map<std::string, std::string>> parse_topology_groups(std::string_view text) {
  std::map<std::string, std::string> groups;
  std::istringstream lines{std::string(text)};
  int number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    line = without_comment(line);
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    auto found = group_of_line(line);
    if (!found) return in_line(number, found.error());
    if (found->hosts.empty()) continue;  // a switch of switches
    auto hosts = parse_host_list(found->hosts);
    if (!hosts) return in_line(number, hosts.error());
    for (const auto& host : *hosts)
      if (const auto [at, is_new] = groups.emplace(host, found->group); !is_new && at->second != found->group)
        return in_line(number, Error{ErrorKind::usage, fmt::format("{} is on {} already", host, at->second)});
  }
  return groups;
}

}  // namespace grit
