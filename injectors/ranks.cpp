#include "injectors/ranks.hpp"

#include <fmt/format.h>

#include <charconv>

namespace grit {

ParamSpec rank_param(std::string default_value) {
  return {"rank", Unit::text, std::move(default_value), "which rank of the node: \"0\" is its first; or \"all\"", {},
          {},     {}};
}

Result<std::vector<ProcessIdentity>> chosen_ranks(const Target& target) {
  const std::string text = target.params.text("rank");
  std::vector<int> pids = target.rank_pids;
  if (text != "all") {
    std::size_t index = 0;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), index);
    if (parsed.ec != std::errc{} || parsed.ptr != text.data() + text.size())
      return usage_error(fmt::format("rank = \"{}\": it is \"all\", or a number from 0", text));
    if (index >= pids.size())
      return usage_error(fmt::format("rank = \"{}\": this node has {} rank(s), counted from 0", text, pids.size()));
    pids = {pids[index]};
  }
  std::vector<ProcessIdentity> chosen;
  for (const int pid : pids) {
    GRIT_TRY(ProcessIdentity identity, identify_process(pid));
    chosen.push_back(std::move(identity));
  }
  if (chosen.empty()) return usage_error("this node has no ranks");
  return chosen;
}

Json to_json(const std::vector<ProcessIdentity>& processes) {
  Json list = Json::array();
  for (const ProcessIdentity& process : processes) list.push_back(to_json(process));
  return list;
}

Result<std::vector<ProcessIdentity>> processes_from_json(const Json& list) {
  std::vector<ProcessIdentity> processes;
  for (const Json& one : list) {
    GRIT_TRY(ProcessIdentity process, process_identity_from_json(one));
    processes.push_back(std::move(process));
  }
  return processes;
}

Result<std::optional<RankMemory>> rank_memory(const ProcessIdentity& rank) {
  GRIT_TRY(const auto state, process_state(rank));
  if (!state || state->state == 'Z') return std::nullopt;
  auto segment = Segment::of_process(rank.pid);
  if (!segment) {
    GRIT_TRY(const auto now, process_state(rank));
    if (!now || now->state == 'Z') return std::nullopt;
    return tl::make_unexpected(segment.error());
  }
  for (RankSlot& slot : segment->slots())
    if (slot.pid == rank.pid) return RankMemory{std::move(*segment), &slot};
  return usage_error(fmt::format("process {} is no rank of its run", rank.pid));
}

}  // namespace grit
