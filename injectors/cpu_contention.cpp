// cpu_contention: other work on the cores of the ranks, as by a system process that was not pinned to cores of its own.
//
// Processes pinned to single cores, at the ranks' own priority, each using a share of its core. What the kernel's
// scheduler counted says that it acts: their time on a CPU; and how long the ranks waited for one.
#include <fmt/format.h>

#include "harness/base/clock.hpp"
#include "harness/os/process.hpp"
#include "injectors/cores.hpp"
#include "injectors/duty_cycle.hpp"
#include "injectors/faults.hpp"
#include "injectors/ranks.hpp"
#include "injectors/worker_times.hpp"

namespace grit {
namespace {

Result<std::vector<WorkerFault::Body>> make_bodies(const Target& target) {
  GRIT_TRY(const Cpus cores, chosen_cores(target));
  const double share = target.params.number("share");
  auto threads = static_cast<std::size_t>(target.params.integer("threads"));
  if (threads == 0) threads = cores.size();
  std::vector<WorkerFault::Body> bodies;
  for (std::size_t i = 0; i < threads; ++i) {
    const int core = cores[i % cores.size()];
    bodies.emplace_back([core, share](WorkerPage& page) {
      if (auto pinned = set_affinity_of_thread(0, {core}); !pinned) page.fail(pinned.error().message);
      page.wait_for_start();
      use_cpu(share);
    });
  }
  return bodies;
}

class CpuContention final : public Injector {
 public:
  [[nodiscard]] const InjectorInfo& info() const override {
    static const InjectorInfo info{
        .name = "cpu_contention",
        .summary = "Other processes compete for the CPU cores of the ranks",
        .params = {{"share", Unit::fraction, 1.0, "of one core, that each of them asks for", {}, 0.01, 1.0},
                   {"threads",
                    Unit::count,
                    0,
                    "how many of them, over the cores in turn; 0: one for each core",
                    {},
                    0.0,
                    1024.0},
                   cores_param()},
        .mechanisms = {"pinned processes"},
        .needs = {"the right to run on the ranks' cores"},
        .undo = UndoClass::process};
    return info;
  }

  [[nodiscard]] Result<Prepared> prepare(const Target& target) const override {
    GRIT_TRY(auto bodies, make_bodies(target));
    return without_undo(TimedFault::make("grit-contend", std::move(bodies), {}, target.ranks));
  }

  [[nodiscard]] bool acted(const Json& before, const Json& after) const override {
    return grew(before, after, "on_cpu_ns");
  }
};

}  // namespace

const Injector& cpu_contention() {
  static const CpuContention injector;
  return injector;
}

}  // namespace grit
