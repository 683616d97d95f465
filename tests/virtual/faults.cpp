#include "tests/virtual/faults.hpp"

#include <algorithm>
#include <memory>

#include "injectors/faults.hpp"

namespace grit {
namespace {

testing::FaultBoard* the_board = nullptr;

/// A line of the board.
class BoardFault final : public Fault {
 public:
  explicit BoardFault(testing::VirtualFault& fault) : fault_(fault) {}
  BoardFault(const BoardFault&) = delete;
  BoardFault& operator=(const BoardFault&) = delete;
  ~BoardFault() override { the_board->forget(fault_); }

  [[nodiscard]] Status start() override {
    fault_.on = true;
    if (!fault_.idle) ++fault_.acts;
    return {};
  }
  [[nodiscard]] Status stop() override {
    fault_.on = false;
    return {};
  }
  [[nodiscard]] Result<Reading> read() override {
    return Reading{.holds = fault_.on, .left = fault_.on, .details = {{"on", fault_.on}}};
  }
  [[nodiscard]] Result<Json> counters() override { return Json{{"acts", fault_.acts}}; }

 private:
  testing::VirtualFault& fault_;
};

/// Plans as the real one.
class BoardInjector final : public Injector {
 public:
  explicit BoardInjector(const Injector& real) : real_(real) {}
  [[nodiscard]] const InjectorInfo& info() const override { return real_.info(); }
  [[nodiscard]] Result<std::string> resolve_device(const Node& node, const Params& params) const override {
    return real_.resolve_device(node, params);
  }
  [[nodiscard]] std::string mechanism(const Node& node, const Params& params) const override {
    return real_.mechanism(node, params);
  }
  [[nodiscard]] Result<std::vector<int>> nodes(const Topology& topology, const std::vector<int>& on,
                                               const Params& params) const override {
    return real_.nodes(topology, on, params);
  }
  [[nodiscard]] Result<Json> resolve(const Topology& topology, const std::vector<int>& on, const Node& node,
                                     const Params& params) const override {
    return real_.resolve(topology, on, node, params);
  }
  [[nodiscard]] Result<Json> resolved_on(const Topology& topology, int node, const Json& resolved) const override {
    return real_.resolved_on(topology, node, resolved);
  }
  [[nodiscard]] std::vector<Pulse> pulses(const Params& params) const override { return real_.pulses(params); }
  [[nodiscard]] std::int64_t memory_bytes(const Node& node, const Params& params) const override {
    return real_.memory_bytes(node, params);
  }
  [[nodiscard]] std::optional<std::string> why_unavailable(const Target&) const override { return std::nullopt; }
  [[nodiscard]] Result<Prepared> prepare(const Target& target) const override {
    return without_undo(std::unique_ptr<Fault>(new BoardFault(the_board->prepare(info().name, target))));
  }
  [[nodiscard]] bool acted(const Json& before, const Json& after) const override { return grew(before, after, "acts"); }

 private:
  const Injector& real_;
};

}  // namespace

namespace testing {

FaultBoard::FaultBoard() {
  GRIT_ASSERT(the_board == nullptr);
  the_board = this;
}

FaultBoard::~FaultBoard() { the_board = nullptr; }

VirtualFault& FaultBoard::prepare(const std::string& name, const Target& target) {
  const auto control = std::find(controls_.begin(), controls_.end(), target.ranks.control);
  GRIT_ASSERT(control != controls_.end());
  faults_.push_back({.name = name,
                     .node = static_cast<int>(control - controls_.begin()),
                     .device = target.device,
                     .params = target.params,
                     .resolved = target.resolved,
                     .idle = name == idle_});
  return faults_.back();
}

void FaultBoard::forget(const VirtualFault& fault) {
  faults_.remove_if([&](const VirtualFault& one) { return &one == &fault; });
}

}  // namespace testing

const std::vector<const Injector*>& injectors() {
#define GRIT_BOARD_FAULT(name) std::make_unique<BoardInjector>(name()),
  static const std::unique_ptr<const Injector> own[]{GRIT_FAULTS(GRIT_BOARD_FAULT)};
#undef GRIT_BOARD_FAULT
  static const auto all = [] {
    std::vector<const Injector*> pointers;
    for (const auto& one : own) pointers.push_back(one.get());
    return pointers;
  }();
  return all;
}

const Injector* find_injector(std::string_view name) {
  const auto& all = injectors();
  const auto found =
      std::find_if(all.begin(), all.end(), [&](const Injector* one) { return one->info().name == name; });
  return found == all.end() ? nullptr : *found;
}

}  // namespace grit
