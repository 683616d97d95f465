// What a slowdown costs a fleet.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "harness/base/result.hpp"
#include "harness/model/plan.hpp"
#include "harness/model/verdict.hpp"

namespace grit {

/// Jobs of one size.
struct JobClass {
  double gpus = 0;   // that one job holds
  double share = 0;  // of the fleet's GPU time that goes into such jobs; 0 .. 1
};

struct Fleet {
  double gpus = 0;
  double gpus_per_node = 8;
  double bad_nodes = 1;  // with the fault, spread at random
  std::vector<JobClass> jobs{};
};

/// "1024:70%,128:30%": GPUs a job and share of the fleet's GPU time. Error (usage): not of this form, shares of more
/// than 100 % ...
Result<std::vector<JobClass>> parse_job_mix(std::string_view text);

/// Of the time of a job whose steps take 1 + slowdown times as long: slowdown / (1 + slowdown). 0 when it is not above
/// 0.
double lost_share(double slowdown);

/// Does some fault of the plan end before its block does?
bool comes_and_goes(const Plan& plan);

/// What a job loses each time that the plan's fault comes: of a fault block of length L in which steps take 1 + s times
/// as long, L s/(1+s), shared between the times that it comes in a block. Where it comes on several nodes by one clock
/// (on = "all"), that is one time; at random moments of each node's own they are counted apart. Empty without a
/// slowdown of the mean (a stall of some steps moves no median), for a fault that lasts, and for faults of several
/// kinds.
std::optional<TimeLost> lost_each_time(const Plan& plan, const Effect& of_mean, double baseline_step_ns);

/// GPU-days a week that the fleet waits for slow nodes.
///
/// A synchronous job goes at the speed of its slowest node, so all its GPUs wait with it: of a week in which steps take
/// 1 + s times as long, s/(1+s) is lost. A job of J GPUs on J/g nodes has at least one of b bad nodes of N with
/// probability 1 - (1 - b/N)^(J/g). Over the classes of jobs, each with its share w of the fleet's F GPUs:
///   7 F s/(1+s) sum w (1 - (1 - b/N)^(J/g))
/// The first factor is arithmetic, the probability that of drawing J/g nodes with replacement, near enough for jobs
/// much smaller than the fleet and never above the truth for larger ones. That one slow node slows the whole job: J.
/// Dean and L. A. Barroso, The Tail at Scale, CACM 56 (2013), for the probability; for training, Z. Jiang et al.,
/// MegaScale (NSDI'24), on computational stragglers. `slowdown`: a fraction, 0.10 is 10 % slower; 0 when it is not
/// above 0.
double gpu_days_a_week(const Fleet& fleet, double slowdown);

/// GPU-days a week that the fleet loses to a fault that comes `per_day` times a day on each bad node and each time
/// costs a job `lost_ns`: a job of J GPUs has J/g b/N bad nodes on average, so over the classes of jobs
///   7 per_day b lost sum w J
double gpu_days_a_week(const Fleet& fleet, double per_day, double lost_ns);

/// A slowdown of the mean step time that lasts, with its 95 % interval: fractions, 0.10 is 10 % slower.
struct LastingSlowdown {
  double estimate = 0;
  double ci_low = 0;
  double ci_high = 0;
};

/// GPU-days a week.
struct WeeklyCost {
  double estimate = 0;
  double low = 0;
  double high = 0;
  double gpus = 0;     // of so many
  std::string text{};  // in words, with all that it depends on
};
/// Of 1,000 GPUs of which all wait: "every 1,000 GPUs that wait for it lose 37 GPU-days a week (30 .. 44) while it
/// lasts".
WeeklyCost weekly_cost(const LastingSlowdown& slowdown);
/// Of a fleet: "37.0 GPU-days a week (30.1 .. 44.2) of 10000 GPUs (1 with it of 1250 nodes; ...)".
WeeklyCost weekly_cost(const Fleet& fleet, const LastingSlowdown& slowdown);

/// What the run's slowdown costs: "every 1,000 GPUs that wait for it lose 37 GPU-days a week (30 .. 44) while it
/// lasts", or "each time ...", and a week only when it is said how often a day (`per_day` above 0). Empty: no cost was
/// shown.
std::string cost_text(const Verdict& verdict, double per_day = 0);
/// The same of a fleet: "37.0 GPU-days a week (30.1 .. 44.2) of 10000 GPUs (1 with it of 1250 nodes; ...)".
std::string cost_text(const Fleet& fleet, const Verdict& verdict, double per_day = 0);

}  // namespace grit
