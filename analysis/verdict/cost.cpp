#include "analysis/verdict/cost.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "harness/base/shortened.hpp"
#include "harness/base/units.hpp"

namespace grit {
namespace {

constexpr double kDaysAWeek = 7;
constexpr double kNsPerDay = 86400e9;
constexpr double kGpus = 1000;  // of which a cost is said where no fleet is known

Result<JobClass> parse_job_class(std::string_view text) {
  const std::size_t colon = text.find(':');
  const auto wrong = [&](const std::string& why) {
    return Failure(usage_error(
        fmt::format("\"{}\" is no class of jobs: {}; write GPUs and share of the fleet's time, such as 1024:70%",
                    shortened(text), why)));
  };
  if (colon == std::string_view::npos) return wrong("there is no colon in it");
  const auto gpus = parse_quantity(std::string(text.substr(0, colon)), Unit::count);
  if (!gpus) return wrong(gpus.error().message);
  const auto share = parse_quantity(std::string(text.substr(colon + 1)), Unit::fraction);
  if (!share) return wrong(share.error().message);
  JobClass job{gpus->get<double>(), share->get<double>()};
  if (job.gpus < 1) return wrong("a job has at least one GPU");
  return job;
}

/// Of the mean step time, which is what a job pays, also where the verdict's sentence is of the median.
std::optional<Effect> mean_effect(const Verdict& verdict) {
  for (const Effect& effect : verdict.effects)
    if (effect.statistic == "mean") return effect;
  return verdict.effect && verdict.effect->statistic == "mean" ? verdict.effect : std::nullopt;
}

/// Said where figures of the median stand beside it.
std::string_view by_the_mean(const Verdict& verdict) {
  return verdict.effect && verdict.effect->statistic != "mean" ? ", by the mean step time" : "";
}

/// "0.122", "1.46", "3733": at least three, and none after the point where there are as many before it.
std::string three_digits(double value) {
  return value >= 100 ? fmt::format("{:.0f}", value) : fmt::format("{:.3g}", value);
}

/// GPU-days a week.
std::string fleet_text(const Fleet& fleet, double days, double low, double high) {
  std::string jobs;
  for (const JobClass& job : fleet.jobs)
    jobs += fmt::format("{}{:.0f} % of the time in jobs of {:.0f} GPUs", jobs.empty() ? "" : ", ", 100 * job.share,
                        job.gpus);
  return fmt::format("{} GPU-days a week ({} .. {}) of {:.0f} GPUs ({:.0f} with it of {:.0f} nodes; {})",
                     three_digits(days), three_digits(low), three_digits(high), fleet.gpus, fleet.bad_nodes,
                     fleet.gpus / fleet.gpus_per_node, jobs);
}

LastingSlowdown lasting(const Effect& effect) { return {effect.estimate, effect.ci_low, effect.ci_high}; }

}  // namespace

Result<std::vector<JobClass>> parse_job_mix(std::string_view text) {
  std::vector<JobClass> jobs;
  double total = 0;
  while (true) {
    const std::size_t comma = text.find(',');
    GRIT_TRY(const JobClass job, parse_job_class(text.substr(0, comma)));
    total += job.share;
    jobs.push_back(job);
    if (comma == std::string_view::npos) break;
    text.remove_prefix(comma + 1);
  }
  if (total > 1 + 1e-9)
    return usage_error(fmt::format("the job mix takes {:.0f} % of the fleet's time; it is at most 100 %", 100 * total));
  return jobs;
}

double lost_share(double slowdown) { return slowdown > 0 ? slowdown / (1 + slowdown) : 0; }

double gpu_days_a_week(const Fleet& fleet, double slowdown) {
  const double nodes = fleet.gpus / fleet.gpus_per_node;
  const double clean = 1 - std::min(fleet.bad_nodes / nodes, 1.0);  // the chance that a node is
  double waiting = 0;
  for (const JobClass& job : fleet.jobs)
    waiting += job.share * (1 - std::pow(clean, std::max(job.gpus / fleet.gpus_per_node, 1.0)));
  return kDaysAWeek * fleet.gpus * waiting * lost_share(slowdown);
}

double gpu_days_a_week(const Fleet& fleet, double per_day, double lost_ns) {
  double gpus = 0;  // of the job that a bad node is in, on average
  for (const JobClass& job : fleet.jobs) gpus += job.share * job.gpus;
  return kDaysAWeek * per_day * fleet.bad_nodes * gpus * lost_ns / kNsPerDay;
}

bool comes_and_goes(const Plan& plan) {
  return std::any_of(plan.faults.begin(), plan.faults.end(), [](const PlannedFault& fault) {
    return !fault.passive &&
           std::any_of(fault.pulses.begin(), fault.pulses.end(), [](const Pulse& pulse) { return pulse.end_ns >= 0; });
  });
}

std::optional<TimeLost> lost_each_time(const Plan& plan, const Effect& of_mean, double baseline_step_ns) {
  if (of_mean.statistic != "mean" || of_mean.ci_low <= 0) return std::nullopt;
  const PlannedFault* first = nullptr;
  double together = 0, apart = 0, blocks = 0;
  for (const Block& block : plan.blocks) blocks += block.kind == BlockKind::fault ? 1 : 0;
  for (const PlannedFault& fault : plan.faults) {
    if (fault.passive) continue;
    if (first == nullptr) first = &fault;
    double times = 0;
    bool random = false;
    for (const Pulse& pulse : fault.pulses) {
      if (pulse.end_ns < 0) return std::nullopt;
      random = random || pulse.block >= 0;
      times += pulse.block >= 0 ? 1 / blocks : 1;
    }
    if (fault.name != first->name) return std::nullopt;
    together = std::max(together, random ? 0 : times);
    apart += random ? times : 0;
  }
  const double times = together + apart;
  if (times <= 0) return std::nullopt;
  const auto lost_ns = [&](double slowdown) {
    return (plan.design.block_ns > 0 ? static_cast<double>(plan.design.block_ns) * lost_share(slowdown)
                                     : static_cast<double>(plan.design.block_steps) * baseline_step_ns * slowdown) /
           times;
  };
  return TimeLost{lost_ns(of_mean.estimate), lost_ns(of_mean.ci_low), lost_ns(of_mean.ci_high)};
}

WeeklyCost weekly_cost(const LastingSlowdown& slowdown) {
  const auto days = [](double share) { return kDaysAWeek * kGpus * lost_share(share); };
  WeeklyCost cost{days(slowdown.estimate), days(slowdown.ci_low), days(slowdown.ci_high), kGpus};
  cost.text =
      fmt::format("every 1,000 GPUs that wait for it lose {:.0f} GPU-days a week ({:.0f} .. {:.0f}) while it lasts",
                  cost.estimate, cost.low, cost.high);
  return cost;
}

WeeklyCost weekly_cost(const Fleet& fleet, const LastingSlowdown& slowdown) {
  const auto days = [&](double share) { return gpu_days_a_week(fleet, share); };
  WeeklyCost cost{days(slowdown.estimate), days(slowdown.ci_low), days(slowdown.ci_high), fleet.gpus};
  cost.text = fleet_text(fleet, cost.estimate, cost.low, cost.high);
  return cost;
}

std::string cost_text(const Verdict& verdict, double per_day) {
  if (const auto& lost = verdict.lost_each_time) {
    const auto seconds = [](double ns) { return kGpus * ns / 1e9; };
    const auto days = [&](double ns) { return kDaysAWeek * per_day * kGpus * ns / kNsPerDay; };
    std::string text =
        fmt::format("each time it comes every 1,000 GPUs that wait for it lose {:.0f} GPU-seconds ({:.0f} .. {:.0f})",
                    seconds(lost->estimate_ns), seconds(lost->low_ns), seconds(lost->high_ns));
    text += by_the_mean(verdict);
    if (per_day > 0)
      text += fmt::format("; {:g} times a day that is {} GPU-days a week ({} .. {})", per_day,
                          three_digits(days(lost->estimate_ns)), three_digits(days(lost->low_ns)),
                          three_digits(days(lost->high_ns)));
    return text;
  }
  const auto effect = mean_effect(verdict);
  if (verdict.comes_and_goes || !effect || effect->ci_low <= 0) return "";
  return fmt::format("{}{}", weekly_cost(lasting(*effect)).text, by_the_mean(verdict));
}

std::string cost_text(const Fleet& fleet, const Verdict& verdict, double per_day) {
  const auto effect = mean_effect(verdict);
  if (const auto& lost = verdict.lost_each_time) {
    if (per_day <= 0) return "how often a day does it come on such a node? Say so with --per-day";
    const auto days = [&](double lost_ns) { return gpu_days_a_week(fleet, per_day, lost_ns); };
    return fmt::format("{}{}", fleet_text(fleet, days(lost->estimate_ns), days(lost->low_ns), days(lost->high_ns)),
                       by_the_mean(verdict));
  }
  if (verdict.comes_and_goes) return "what a week costs cannot be told from faults of several kinds that come and go";
  if (!effect || effect->ci_low <= 0)
    return verdict.effect && verdict.effect->ci_low > 0
               ? "cannot be told: the median step took longer, but what a job pays goes by the mean step, of which no "
                 "slowdown was shown"
               : "no slowdown was shown";
  return fmt::format("{}{}", weekly_cost(fleet, lasting(*effect)).text, by_the_mean(verdict));
}

}  // namespace grit
