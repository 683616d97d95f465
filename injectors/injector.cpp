#include "injectors/injector.hpp"

#include <algorithm>

#include "harness/record/segment.hpp"
#include "injectors/nic.hpp"

namespace grit {

bool takes_ranks(const InjectorInfo& info) {
  return std::any_of(info.params.begin(), info.params.end(),
                     [](const ParamSpec& spec) { return spec.name == kRankParam; });
}

NodeRanks node_ranks(const Segment& segment) {
  NodeRanks ranks{.control = &segment.control()};
  for (RankSlot& slot : segment.slots()) {
    // A rank that has ended has no identity: no process ever started before boot.
    auto process = identify_process(slot.pid);
    ranks.all.push_back({process ? std::move(*process) : ProcessIdentity{.pid = slot.pid, .start_ticks = -1}, &slot});
  }
  return ranks;
}

Result<Prepared> without_undo(Result<std::unique_ptr<Fault>> fault) {
  if (!fault) return tl::make_unexpected(std::move(fault).error());
  return Prepared{nullptr, std::move(*fault)};
}

Result<std::string> Injector::resolve_device(const Node& node, const Params& params) const {
  return info().takes_nic ? resolve_nic(node, params.text("nic")) : std::string();
}

std::string Injector::mechanism(const Node&, const Params&) const { return info().mechanisms.front(); }

std::vector<Injector::Mechanism> Injector::mechanisms_here() const {
  std::vector<Mechanism> all;
  for (const std::string& name : info().mechanisms) all.push_back({name, std::nullopt});
  return all;
}

std::optional<std::string> Injector::why_unavailable(const Target& target) const {
  const auto tried = prepare(target);
  return tried ? std::nullopt : std::optional(tried.error().message);
}

Result<Reverted> Injector::revert(const Json& undo) const {
  GRIT_CHECK(check_undo(undo));
  return Reverted::gone;
}

Status Injector::check_undo(const Json&) const {
  return usage_error("undo record of " + info().name + ": this fault makes none");
}

bool grew(const Json& before, const Json& after, const char* counter) {
  return after.value(counter, std::int64_t{0}) > before.value(counter, std::int64_t{0});
}

}  // namespace grit
