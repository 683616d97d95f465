#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <utility>

#include "analysis/report/export/burnin_export.hpp"
#include "analysis/report/page/burnin_page.hpp"
#include "analysis/report/tables/burnin_words.hpp"
#include "harness/base/files.hpp"

namespace grit {
namespace {

/// Longer ones are hard to read in sinfo.
constexpr std::size_t kMostReasonBytes = 200;
constexpr std::string_view kReasonBegins = "grit burnin: ";
/// What `srun --nodelist=$(cat good_nodelist)` refuses, where it would take any nodes for an empty list: no host has a
/// name below "invalid" (RFC 6761, 6.4).
constexpr std::string_view kNoGoodNode = "no-good-node.invalid";

/// Neither a list of hosts ("n[1-9]" would drain nine) nor an option, nor several words.
bool is_plain_name(std::string_view host) {
  const auto is_plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' ||
           c == '_' || c == ':';
  };
  return !host.empty() && host.front() != '-' && std::all_of(host.begin(), host.end(), is_plain);
}

/// Signs of our own sentences that ASCII has a word for.
constexpr std::array<std::pair<std::string_view, std::string_view>, 5> kInAscii{
    {{"−", "-"}, {"µ", "u"}, {"±", "+-"}, {"×", "x"}, {"…", "..."}}};

/// One line of printable ASCII without quotes and backslashes.
std::string reason_of(const BurninNodeReport& node) {
  std::string text = node.reason;
  if (node.state != BurninNodeState::bad || text.empty())
    text = fmt::format("{}{}{}", state_words(node.state), text.empty() ? "" : ": ", text);
  for (const auto& [sign, ascii] : kInAscii)
    for (auto at = text.find(sign); at != std::string::npos; at = text.find(sign, at + ascii.size()))
      text.replace(at, sign.size(), ascii);
  std::string reason(kReasonBegins);
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte & 0xc0) == 0x80) continue;  // the rest of a character that became one sign
    const bool is_blank = byte <= 0x20 || byte == 0x7f || c == '"' || c == '\'' || c == '`' || c == '\\';
    if (is_blank && reason.back() == ' ') continue;
    reason += is_blank ? ' ' : byte >= 0x80 ? '?' : c;
  }
  if (reason.size() > kMostReasonBytes) reason = reason.substr(0, kMostReasonBytes - 3) + "...";
  while (reason.back() == ' ') reason.pop_back();
  return reason;
}

std::vector<std::vector<std::string>> commands_for(const BurninReport& report, BurninNodeState state) {
  std::vector<std::vector<std::string>> commands;
  for (const BurninNodeReport& node : report.nodes)
    if (node.state == state && is_plain_name(node.host))
      commands.push_back({"scontrol", "update", "NodeName=" + node.host, "State=DRAIN", "Reason=" + reason_of(node)});
  return commands;
}

std::string drain_script(const BurninReport& report) {
  const std::vector<std::vector<std::string>> commands = drain_commands(report);
  std::string text = fmt::format(
      "#!/bin/sh\n# Takes the bad nodes of this burn-in ({}) out of service in Slurm. grit does that itself with "
      "--apply-drain alone: read it, then run it.\n",
      commands.size());
  // No word has a quote in it.
  for (const std::vector<std::string>& words : commands) text += fmt::format("'{}'\n", fmt::join(words, "' '"));
  const std::vector<std::vector<std::string>> apart = commands_for(report, BurninNodeState::apart);
  if (!apart.empty())
    text += fmt::format("# set apart, not drained: {}. Take the # away to drain one.\n", apart.size());
  for (const std::vector<std::string>& words : apart) text += fmt::format("# '{}'\n", fmt::join(words, "' '"));
  return text;
}

}  // namespace

std::string burnin_hosts(const BurninReport& report, BurninNodeState state) {
  std::string text;
  for (const BurninNodeReport& node : report.nodes)
    if (node.state == state && is_plain_name(node.host)) text += node.host + "\n";
  return text;
}

std::vector<std::vector<std::string>> drain_commands(const BurninReport& report) {
  return commands_for(report, BurninNodeState::bad);
}

Status write_burnin_files(const BurninReport& report, const std::string& nodelist,
                          const std::filesystem::path& directory) {
  GRIT_TRY(const std::string page, render_burnin_html(report));
  GRIT_CHECK(write_file_durably(directory / "burnin.json", json_text(to_json(report)) + "\n"));
  GRIT_CHECK(write_file_durably(directory / "burnin.html", page));
  GRIT_CHECK(write_file_durably(directory / "good_hosts", burnin_hosts(report, BurninNodeState::good)));
  GRIT_CHECK(write_file_durably(directory / "slow_hosts", burnin_hosts(report, BurninNodeState::apart)));
  GRIT_CHECK(write_file_durably(directory / "good_nodelist",
                                fmt::format("{}\n", nodelist.empty() ? kNoGoodNode : std::string_view(nodelist))));
  GRIT_CHECK(write_file_durably(directory / "drain.sh", drain_script(report), 0755U));
  GRIT_CHECK(write_file_durably(directory / "nodes.csv", burnin_nodes_csv(report)));
  GRIT_CHECK(write_file_durably(directory / "junit.xml", burnin_junit(report)));
  return write_file_durably(directory / "metrics.prom", burnin_openmetrics(report));
}

}  // namespace grit
