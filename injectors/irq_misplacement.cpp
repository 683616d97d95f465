// irq_misplacement: the interrupts of a NIC are served by the cores that the ranks compute on, as after an interrupt
// balancer that does not know of them.
#include <fmt/format.h>

#include <algorithm>

#include "harness/os/closed_object.hpp"
#include "harness/os/identity.hpp"
#include "harness/os/interrupts.hpp"
#include "harness/os/netlink.hpp"
#include "injectors/cores.hpp"
#include "injectors/faults.hpp"
#include "injectors/nic.hpp"
#include "injectors/setting.hpp"

namespace grit {
namespace {

constexpr std::size_t kMaxInterrupts = 8192;

struct Moved {
  Interrupt before{};
  int core = 0;  // where it is sent
};

struct Undo {
  std::string boot{};
  std::vector<Moved> interrupts{};
};

Json to_json(const Undo& undo) {
  Json interrupts = Json::array();
  for (const Moved& one : undo.interrupts) interrupts.push_back({{"before", to_json(one.before)}, {"core", one.core}});
  return Json{{"boot_id", undo.boot}, {"interrupts", std::move(interrupts)}};
}

Result<Undo> undo_from_json(const Json& json) {
  ClosedObject object(json, "undo record of irq_misplacement");
  Undo undo;
  undo.boot = object.text("boot_id", 64);
  const Json& interrupts = object.array("interrupts", kMaxInterrupts);
  GRIT_CHECK(object.done());
  for (const Json& one : interrupts) {
    ClosedObject fields(one, "undo record of irq_misplacement");
    Moved moved;
    const Json& before = fields.object("before");
    moved.core = static_cast<int>(fields.integer("core", 0, 8191));
    GRIT_CHECK(fields.done());
    GRIT_TRY(moved.before, interrupt_from_json(before));
    undo.interrupts.push_back(std::move(moved));
  }
  return undo;
}

/// Those of this boot that are still there, as they are now: all of them, also when one fails. Error: the first.
template <class Work>
Status for_each_living(const Undo& undo, Work work) {
  GRIT_TRY(const std::string boot, boot_id());
  if (boot != undo.boot) return {};
  Status first;
  for (const Moved& one : undo.interrupts) {
    const auto worked = [&]() -> Status {
      GRIT_TRY(const auto now, find_same_interrupt(one.before));
      return now ? work(one, *now) : Status{};
    }();
    if (!worked && first) first = worked;
  }
  return first;
}

class IrqMisplacement final : public SettingInjector<Undo> {
 public:
  [[nodiscard]] const InjectorInfo& info() const override {
    static const InjectorInfo info{
        .name = "irq_misplacement",
        .summary = "The interrupts of a NIC are served by the cores of the ranks",
        .params = {fault_nic_param(), cores_param()},
        .mechanisms = {"smp_affinity"},
        .needs = {"a NIC with interrupts of its own", "root (/proc/irq/N/smp_affinity_list)"},
        .touches = {"the affinity of the interrupts"},
        .undo = UndoClass::persistent,
        .takes_nic = true,
        .machine_wide = true};
    return info;
  }

  [[nodiscard]] std::vector<Mechanism> mechanisms_here() const override {
    const auto why_not = []() -> Status {
      GRIT_TRY(Netlink netlink, Netlink::open());
      GRIT_TRY(const auto links, netlink.links());
      for (const Link& link : links) {
        GRIT_TRY(const auto all, interrupts_of_nic(link.name));
        if (!all.empty()) return {};
      }
      return unavailable_error("no network interface of this machine has interrupts of its own: all are virtual");
    }();
    return {{"smp_affinity", why_not ? std::nullopt : std::optional(why_not.error().message)}};
  }

  [[nodiscard]] std::optional<std::string> why_unavailable(const Target& target) const override {
    const auto tried = try_out(target);
    return tried ? std::nullopt : std::optional(tried.error().message);
  }

  [[nodiscard]] bool acted(const Json& before, const Json& after) const override {
    return grew(before, after, "served_by_ranks_cores");
  }

 protected:
  [[nodiscard]] Result<Undo> snapshot(const Target& target) const override {
    GRIT_TRY(const auto all, interrupts_of_nic(target.device));
    if (all.empty())
      return unavailable_error(target.device +
                               " has no interrupts of its own (a virtual interface): choose a NIC with "
                               "hardware behind it");
    if (irqbalance_runs())
      return unavailable_error(
          "irqbalance runs on this node and would move the interrupts back within seconds: stop it first (systemctl "
          "stop irqbalance)");
    GRIT_TRY(const Cpus cores, chosen_cores(target));
    Undo undo;
    for (const Interrupt& one : all) {
      const Cpus now = serving_cpus(one.number);
      if (!now.empty() && std::includes(cores.begin(), cores.end(), now.begin(), now.end())) continue;
      undo.interrupts.push_back({one, cores[undo.interrupts.size() % cores.size()]});
    }
    if (undo.interrupts.empty())
      return unavailable_error(
          fmt::format("the interrupts of {} are on CPU {} already", target.device, to_list(cores)));
    GRIT_TRY(undo.boot, boot_id());
    return undo;
  }
  [[nodiscard]] Result<Undo> parse(const Json& record) const override { return undo_from_json(record); }

  [[nodiscard]] Status set(const Target&, const Undo& undo) const override {
    return for_each_living(
        undo, [](const Moved& one, const Interrupt& now) { return set_interrupt_cpus(now.number, {one.core}); });
  }

  [[nodiscard]] Result<Reading> read(const Target&, const Undo& undo) const override {
    Reading reading;
    std::size_t elsewhere = 0, living = 0;
    GRIT_CHECK(for_each_living(undo, [&](const Moved& one, const Interrupt& now) -> Status {
      ++living;
      elsewhere += now.cpus == Cpus{one.core} ? 0 : 1;
      reading.left = reading.left || (now.cpus == Cpus{one.core} && now.cpus != one.before.cpus);
      reading.details[fmt::format("{} {}", now.number, now.action)] = {
          {"cpus", to_list(now.cpus)}, {"served_by", to_list(serving_cpus(now.number))}};
      return {};
    }));
    reading.holds = living > 0 && elsewhere == 0;
    return reading;
  }

  /// How many of them the cores have served that they were sent to.
  [[nodiscard]] Result<Json> counters(const Target&, const Undo& undo) const override {
    GRIT_TRY(const InterruptCounts counts, interrupt_counts());
    std::int64_t served = 0;
    GRIT_CHECK(for_each_living(undo, [&](const Moved& one, const Interrupt& now) -> Status {
      const auto by_cpu = counts.find(now.number);
      if (by_cpu == counts.end()) return {};
      const auto there = by_cpu->second.find(one.core);
      served += there == by_cpu->second.end() ? 0 : there->second;
      return {};
    }));
    return Json{{"served_by_ranks_cores", served}};
  }

  [[nodiscard]] Result<Reverted> restore(const Undo& undo) const override {
    std::size_t living = 0;
    GRIT_CHECK(for_each_living(undo, [&](const Moved& one, const Interrupt& now) {
      ++living;
      // Any other was set by somebody else meanwhile, or is back already.
      return now.cpus == Cpus{one.core} ? set_interrupt_cpus(now.number, one.before.cpus) : Status{};
    }));
    return living == 0 ? Reverted::gone : Reverted::put_back;
  }

 private:
  /// Writing an affinity as it is changes nothing, but the kernel refuses it as it would refuse another.
  Status try_out(const Target& target) const {
    GRIT_TRY(const Undo undo, snapshot(target));
    return for_each_living(undo,
                           [](const Moved&, const Interrupt& now) { return set_interrupt_cpus(now.number, now.cpus); });
  }
};

}  // namespace

const Injector& irq_misplacement() {
  static const IrqMisplacement injector;
  return injector;
}

}  // namespace grit
