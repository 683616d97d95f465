// The runs of a scorecard on the local cluster: one for each kind of damage, in DIRECTORY/<its name>. Which of them are
// there is in DIRECTORY/damages.json (harness/model/damages.hpp), on disk before the first begins and after each.
#pragma once

#include "harness/run/damage_plan.hpp"

namespace grit {

struct DamagesEnd {
  std::filesystem::path directory{};
  Damages damages{};
  bool interrupted = false;  // Ctrl-C; what was begun then is run again when it goes on
};

/// Says what is planned (plan_damages()), runs what is not there yet, and says on standard error what came of each. A
/// kind that turns out not to be possible here, or whose run ends early, does not keep the others from being run.
/// Errors: those of plan_damages(), before anything is changed; unavailable, no local cluster can be made here;
/// internal, a fault could not be reverted, or grit failed: then nothing more is injected. What is finished stays so.
Result<DamagesEnd> run_damages(const DamageSetup& setup);

}  // namespace grit
