#include "analysis/cost.hpp"

#include <fmt/format.h>

#include <cmath>

#include "harness/base/shortened.hpp"
#include "harness/base/units.hpp"

namespace grit {
namespace {

constexpr double kDaysAWeek = 7;

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

std::string cost_text(const Fleet& fleet, double slowdown) {
  std::string jobs;
  for (const JobClass& job : fleet.jobs)
    jobs += fmt::format("{}{:.0f} % of the time in jobs of {:.0f} GPUs", jobs.empty() ? "" : ", ", 100 * job.share,
                        job.gpus);
  return fmt::format("{:.1f} GPU-days a week of {:.0f} GPUs ({:.0f} with it of {:.0f} nodes; {})",
                     gpu_days_a_week(fleet, slowdown), fleet.gpus, fleet.bad_nodes, fleet.gpus / fleet.gpus_per_node,
                     jobs);
}

}  // namespace grit
