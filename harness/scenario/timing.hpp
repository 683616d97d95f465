// When a fault is in force: the parameters that every fault takes besides its own.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "harness/model/plan.hpp"
#include "harness/model/scenario.hpp"
#include "harness/scenario/seeded_choice.hpp"
#include "injectors/injector.hpp"

namespace grit {

constexpr std::int64_t kMaxRepeats = 10'000;  // times that a fault comes in a block

/// All of them: after, lasts, every, count, schedule, at_step, follows, edge, label, swizzle, ramp, ramp_steps.
const std::vector<ParamSpec>& timing_params();

/// Why this fault does not take one of them, for people; nothing when it does: one with a parameter of its own called
/// after, lasts, every or count says itself how long it lasts, under whatever name; only one with a dose can grow.
std::optional<std::string> why_not_taken(const InjectorInfo& info, const std::string& name);

/// Those that this fault takes. Its own parameters of the same name win.
std::vector<ParamSpec> timing_params_beside(const InjectorInfo& info);

/// Values of timing_params() -> Timing; what is not there has its default. Error (usage): values that contradict each
/// other.
Result<Timing> read_timing(const Json& values);

/// Time from the fault's anchor to the end of a block; 0: not known in advance.
std::int64_t room_ns(const Timing& timing, const Design& design);

/// The fault's own pulses, moved and repeated. Error (usage): they overlap, or their number cannot be told.
Result<std::vector<Pulse>> regular_pulses(const std::vector<Pulse>& own, const Timing& timing, const Design& design);

/// The same at random, other in every fault block. The time from the end of one to the start of the next is
/// exponential, so that the starts are a Poisson process whenever the fault is off, and `every` apart on average. Every
/// block has one at least: a draw without any is drawn again. Error (usage): as regular_pulses, or the block is so
/// short that hardly any draw has one.
Result<std::vector<Pulse>> poisson_pulses(const std::vector<Pulse>& own, const Timing& timing, const Plan& plan,
                                          SeededChoice& choice);

/// One list for each victim: they begin one after another in a random order within the first swizzle_ns of each
/// pulse, and end in another within its last (FoundationDB's swizzle-clogging). Error (usage): a pulse is too short.
Result<std::vector<std::vector<Pulse>>> swizzled(const std::vector<Pulse>& pulses, std::size_t victims,
                                                 std::int64_t swizzle_ns, SeededChoice& choice);

/// A stretch of a growing fault, with its own dose.
struct Stage {
  Json params = Json::object();
  std::vector<Pulse> pulses{};
};

/// The dose grows from no effect to the fault's own in ramp_steps equal steps, within the first ramp_ns of each pulse.
/// Error (usage): a pulse is too short, or the dose cannot grow.
Result<std::vector<Stage>> ramp_stages(const Injector& injector, const Json& params, const std::vector<Pulse>& pulses,
                                       const Timing& timing);

}  // namespace grit
