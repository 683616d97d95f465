#include "harness/scenario/timing.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace grit {
namespace {

constexpr int kMaxDraws = 1000;

bool has(const std::vector<ParamSpec>& specs, std::string_view name) {
  return std::any_of(specs.begin(), specs.end(), [&](const ParamSpec& spec) { return spec.name == name; });
}

/// The fault's pulses as they come once, with the length that `lasts` says.
Result<std::vector<Pulse>> once(const std::vector<Pulse>& own, const Timing& timing) {
  if (own.empty()) return internal_error("the fault has no pulses");
  std::vector<Pulse> pulses = own;
  for (Pulse& pulse : pulses)
    if (timing.lasts_ns > 0) pulse.end_ns = pulse.start_ns + timing.lasts_ns;
  if (timing.count > 1 && pulses.back().end_ns < 0)
    return usage_error("`count` repeats a fault, so it must end: give `lasts`");
  if (timing.every_ns > 0 && pulses.back().end_ns < 0)
    return usage_error("a fault that is repeated must end: give `lasts`, shorter than `every`");
  if (timing.every_ns > 0 && timing.every_ns <= pulses.back().end_ns - pulses.front().start_ns)
    return usage_error("`every` counts from one start to the next, so it must be longer than the fault lasts");
  return pulses;
}

void add_moved(std::vector<Pulse>& pulses, const std::vector<Pulse>& shape, std::int64_t shift_ns, int block) {
  for (const Pulse& pulse : shape)
    pulses.push_back({pulse.start_ns + shift_ns, pulse.end_ns < 0 ? -1 : pulse.end_ns + shift_ns, block});
}

/// `every`; with `count` alone, twice as long as the fault lasts.
std::int64_t every_ns(const std::vector<Pulse>& shape, const Timing& timing) {
  if (timing.every_ns > 0 || timing.count <= 1) return timing.every_ns;
  return 2 * (shape.back().end_ns - shape.front().start_ns);
}

/// How often: `count`, or as often as it ends within the block.
Result<std::int64_t> repeats(const std::vector<Pulse>& shape, const Timing& timing, const Design& design) {
  if (timing.count > 0) return timing.count;
  if (timing.every_ns == 0) return 1;
  const std::int64_t room = room_ns(timing, design);
  if (room == 0)
    return usage_error("how much time a block leaves it is not known: say with `count` how often it is repeated");
  return std::clamp<std::int64_t>(1 + (room - timing.after_ns - shape.back().end_ns) / timing.every_ns, 1, kMaxRepeats);
}

/// Exponential with mean 1, from comparisons of uniform numbers alone (von Neumann 1951; Devroye, Non-Uniform Random
/// Variate Generation, IV.2), so that it is the same on every machine: logarithms differ in their last bit.
double exponential(SeededChoice& choice) {
  constexpr std::uint64_t kParts = std::uint64_t{1} << 53;
  for (double whole = 0;; ++whole) {
    const std::uint64_t first = choice.below(kParts);
    int falling = 1;
    std::uint64_t last = first;
    for (std::uint64_t next = choice.below(kParts); next < last; next = choice.below(kParts)) last = next, ++falling;
    if (falling % 2 == 1) return whole + static_cast<double>(first) / static_cast<double>(kParts);
  }
}

/// One block's starts, from the anchor; none when the first is too late.
std::vector<std::int64_t> draw_starts(const std::vector<Pulse>& shape, const Timing& timing, std::int64_t room,
                                      SeededChoice& choice) {
  const std::int64_t length_ns = shape.back().end_ns - shape.front().start_ns;
  const auto mean_off_ns = static_cast<double>(timing.every_ns - length_ns);
  const std::int64_t most = timing.count > 0 ? timing.count : kMaxRepeats;
  std::vector<std::int64_t> starts;
  std::int64_t t_ns = timing.after_ns + shape.front().start_ns;
  while (static_cast<std::int64_t>(starts.size()) < most) {
    t_ns += std::max<std::int64_t>(1, std::llround(mean_off_ns * exponential(choice)));
    if (room > 0 && t_ns + length_ns > room) break;
    starts.push_back(t_ns);
    t_ns += length_ns;
  }
  return starts;
}

}  // namespace

const std::vector<ParamSpec>& timing_params() {
  static const std::vector<ParamSpec> specs{
      {"after", Unit::time_ns, 0, "from the start of the block (or at_step, follows) to the first time", {}, 0.0, {}},
      {"lasts", Unit::time_ns, 0, "how long it is in force; 0: to the end of the block", {}, 0.0, {}},
      {"every",
       Unit::time_ns,
       0,
       "from one start to the next; 0: twice as long as it lasts with `count`, else it is not repeated",
       {},
       0.0,
       {}},
      {"count", Unit::count, 0, "how many times in a block; 0: as many as fit", {}, 0.0, double{kMaxRepeats}},
      {"schedule", Unit::text, "regular", "\"poisson\": at random, `every` apart on average", {"regular", "poisson"}},
      {"at_step", Unit::count, 0, "counted from the start of this step of the block; the first is 0", {}, 0.0, {}},
      {"follows", Unit::text, "", "counted from an edge of this fault (its label or name) of the same node"},
      {"edge",
       Unit::text,
       "reverted",
       "of the followed fault: first in force, or off at last",
       {"applied", "reverted"}},
      {"label", Unit::text, "", "what `follows` calls this one; else its name"},
      {"swizzle", Unit::time_ns, 0, "its nodes begin and end one after another, in random order, so long", {}, 0.0, {}},
      {"ramp", Unit::time_ns, 0, "for so long the dose grows; 0: it is whole from the start", {}, 0.0, {}},
      {"ramp_steps", Unit::count, 4, "in so many equal steps", {}, 2.0, 100.0}};
  return specs;
}

std::optional<std::string> why_not_taken(const InjectorInfo& info, const std::string& name) {
  constexpr std::array<std::string_view, 4> kTimes{"after", "lasts", "every", "count"};
  const bool own_times = std::any_of(kTimes.begin(), kTimes.end(), [&](auto time) { return has(info.params, time); });
  if (name == "lasts" && own_times) return "it says itself how long it lasts, by a parameter of its own";
  if (name == "schedule" && has(info.params, "every")) return "its own `every` says when it comes";
  if (name.starts_with("ramp") && info.dose.param.empty()) return "it has no dose that could grow";
  return std::nullopt;
}

std::vector<ParamSpec> timing_params_beside(const InjectorInfo& info) {
  std::vector<ParamSpec> left;
  for (const ParamSpec& spec : timing_params())
    if (!has(info.params, spec.name) && !why_not_taken(info, spec.name)) left.push_back(spec);
  return left;
}

Result<Timing> read_timing(const Json& values) {
  const auto number = [&](const char* name) { return values.value(name, std::int64_t{0}); };
  const auto text = [&](const char* name) { return values.value(name, std::string()); };
  Timing timing{number("after"), number("lasts"), number("every"), number("count")};
  timing.poisson = text("schedule") == "poisson";
  timing.at_step = number("at_step");
  timing.label = text("label");
  timing.follows = text("follows");
  timing.follows_applied = text("edge") == "applied";
  timing.swizzle_ns = number("swizzle");
  timing.ramp_ns = number("ramp");
  timing.ramp_steps = number("ramp_steps");
  if (timing.poisson && timing.every_ns == 0)
    return usage_error("schedule = \"poisson\" needs `every`, the time from one start to the next on average");
  if (timing.at_step > 0 && !timing.follows.empty())
    return usage_error("`at_step` and `follows` are two moments to count from: give one of them");
  if (timing.follows_applied && timing.follows.empty())
    return usage_error("`edge` says which edge of a fault this one follows: give `follows` too");
  if (timing.poisson && timing.swizzle_ns > 0)
    return usage_error("with schedule = \"poisson\" every node has moments of its own already: leave out `swizzle`");
  return timing;
}

std::int64_t room_ns(const Timing& timing, const Design& design) {
  return timing.at_step > 0 || !timing.follows.empty() ? 0 : design.block_ns;
}

Result<std::vector<Pulse>> regular_pulses(const std::vector<Pulse>& own, const Timing& timing, const Design& design) {
  GRIT_TRY(const auto shape, once(own, timing));
  GRIT_TRY(const std::int64_t times, repeats(shape, timing, design));
  std::vector<Pulse> pulses;
  for (std::int64_t i = 0; i < times; ++i) add_moved(pulses, shape, timing.after_ns + i * every_ns(shape, timing), -1);
  return pulses;
}

Result<std::vector<Pulse>> poisson_pulses(const std::vector<Pulse>& own, const Timing& timing, const Plan& plan,
                                          SeededChoice& choice) {
  GRIT_TRY(const auto shape, once(own, timing));
  GRIT_CHECK(repeats(shape, timing, plan.design));
  const std::int64_t room = room_ns(timing, plan.design);
  std::vector<Pulse> pulses;
  for (const Block& block : plan.blocks) {
    if (!has_faults(block.kind)) continue;
    std::vector<std::int64_t> starts;
    for (int draw = 0; starts.empty() && draw < kMaxDraws; ++draw) starts = draw_starts(shape, timing, room, choice);
    if (starts.empty())
      return usage_error("`every` is so long that hardly any block would see the fault: make the block longer");
    for (const std::int64_t start_ns : starts) add_moved(pulses, shape, start_ns - shape.front().start_ns, block.index);
  }
  return pulses;
}

Result<std::vector<std::vector<Pulse>>> swizzled(const std::vector<Pulse>& pulses, std::size_t victims,
                                                 std::int64_t swizzle_ns, SeededChoice& choice) {
  std::vector<std::vector<Pulse>> all(victims);
  const auto share_ns = [&](int place) {  // the first at once, the last at the end of the swizzle
    return victims < 2 ? 0 : swizzle_ns * place / static_cast<std::int64_t>(victims - 1);
  };
  for (const Pulse& pulse : pulses) {
    if (pulse.end_ns < 0) return usage_error("`swizzle` needs a fault that ends: give `lasts`");
    if (pulse.end_ns - pulse.start_ns <= 2 * swizzle_ns)
      return usage_error(
          "the nodes begin within `swizzle` and end within it: the fault must last more than twice that");
    const std::vector<int> begins = choice.order(static_cast<int>(victims));
    const std::vector<int> ends = choice.order(static_cast<int>(victims));
    for (std::size_t i = 0; i < victims; ++i)
      all[i].push_back({pulse.start_ns + share_ns(begins[i]), pulse.end_ns - swizzle_ns + share_ns(ends[i])});
  }
  return all;
}

Result<std::vector<Stage>> ramp_stages(const Injector& injector, const Json& params, const std::vector<Pulse>& pulses,
                                       const Timing& timing) {
  const InjectorInfo& info = injector.info();
  const Dose growing = injector.dose(Params(params));
  const auto same = [&](const ParamSpec& one) { return one.name == growing.param; };
  const auto spec = std::find_if(info.params.begin(), info.params.end(), same);
  if (spec == info.params.end()) return internal_error(info.name + " has no parameter for its dose");
  const double whole = params.at(spec->name).get<double>(), none = growing.no_effect;
  if (whole == none)
    return usage_error(fmt::format("`ramp` lets `{}` grow to its value, which is {}: give another", spec->name,
                                   format_quantity(params.at(spec->name), spec->unit)));
  std::vector<Stage> stages;
  for (std::int64_t step = 1; step <= timing.ramp_steps; ++step) {
    Stage stage{params, {}};
    const double dose = none + (whole - none) * static_cast<double>(step) / static_cast<double>(timing.ramp_steps);
    if (step < timing.ramp_steps)
      stage.params[spec->name] = params.at(spec->name).is_number_float() ? Json(dose) : Json(std::llround(dose));
    GRIT_CHECK(check_param(*spec, stage.params[spec->name]));
    if (stage.params[spec->name].get<double>() == none)
      return usage_error(fmt::format("`{}` cannot grow in {} steps", spec->name, timing.ramp_steps));
    for (const Pulse& pulse : pulses) {
      if (pulse.end_ns >= 0 && pulse.end_ns - pulse.start_ns <= timing.ramp_ns)
        return usage_error("the dose grows for longer than the fault lasts: make `ramp` shorter than `lasts`");
      const auto moment_ns = [&](std::int64_t at) { return pulse.start_ns + timing.ramp_ns * at / timing.ramp_steps; };
      stage.pulses.push_back(
          {moment_ns(step - 1), step < timing.ramp_steps ? moment_ns(step) : pulse.end_ns, pulse.block});
    }
    stages.push_back(std::move(stage));
  }
  return stages;
}

}  // namespace grit
