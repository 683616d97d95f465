#include "injectors/confinement.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "harness/os/closed_object.hpp"
#include "injectors/ranks.hpp"

namespace grit {
namespace {

constexpr std::size_t kMostHelpers = 1024;  // of one rank

/// Is a thread still where the fault has sent it? One that was there before: within these CPUs, and not as it was. A
/// younger one: confined, where its maker was not.
bool is_left(const ProcessAffinity& before, const Cpus& cpus, const ThreadAffinity& thread) {
  if (const ThreadAffinity* known = find_thread(before, thread))
    return known->cpus != thread.cpus &&
           std::includes(cpus.begin(), cpus.end(), thread.cpus.begin(), thread.cpus.end());
  return thread.cpus == cpus && before.threads.front().cpus != cpus;
}

/// The rank first.
std::vector<const ProcessAffinity*> processes_of(const ConfinedRank& rank) {
  std::vector<const ProcessAffinity*> all{&rank.before};
  for (const ProcessAffinity& helper : rank.helpers) all.push_back(&helper);
  return all;
}

/// Helpers that have started under the fault have their maker's CPUs: they get those that the rank had.
Status restore_later_helpers(const Confinement& undo) {
  std::vector<ProcessIdentity> ranks;
  for (const ConfinedRank& rank : undo.ranks) ranks.push_back(rank.before.process);
  GRIT_TRY(const auto helpers, helpers_of(ranks));
  Status all;
  for (std::size_t i = 0; i < ranks.size(); ++i) {
    const ConfinedRank& rank = undo.ranks[i];
    for (const ProcessIdentity& helper : helpers[i]) {
      const auto knows = [&](const ProcessAffinity& known) {
        return known.process.pid == helper.pid && known.process.start_ticks == helper.start_ticks;
      };
      if (std::any_of(rank.helpers.begin(), rank.helpers.end(), knows)) continue;
      const ProcessAffinity as_rank{helper, {{.cpus = rank.before.threads.front().cpus}}};
      if (auto one = restore_affinity_within(as_rank, rank.cpus); !one && all) all = one;
    }
  }
  return all;
}

/// An older grit moved the ranks alone: its records have no member `helpers`.
const Json& helpers_in(const Json& rank, ClosedObject& fields) {
  static const Json none = Json::array();
  return rank.contains("helpers") ? fields.array("helpers", kMostHelpers) : none;
}

Result<std::vector<ProcessAffinity>> helpers_from_json(const Json& list) {
  std::vector<ProcessAffinity> helpers;
  for (const Json& one : list) {
    GRIT_TRY(ProcessAffinity helper, process_affinity_from_json(one));
    helpers.push_back(std::move(helper));
  }
  return helpers;
}

}  // namespace

Json to_json(const Confinement& undo) {
  Json ranks = Json::array();
  for (const ConfinedRank& one : undo.ranks) {
    Json helpers = Json::array();
    for (const ProcessAffinity& helper : one.helpers) helpers.push_back(to_json(helper));
    ranks.push_back({{"before", to_json(one.before)},
                     {"helpers", std::move(helpers)},
                     {"cpus", to_list(one.cpus)},
                     {"why", one.why}});
  }
  return Json{{"ranks", std::move(ranks)}};
}

Result<ConfinedRank> bound_rank(const ProcessIdentity& rank) {
  ConfinedRank bound;
  GRIT_TRY(bound.before, read_affinity(rank));
  GRIT_TRY(const auto helpers, helpers_of(std::span(&rank, 1)));
  for (const ProcessIdentity& helper : helpers.front()) {
    GRIT_TRY(auto one, living_affinity(helper));
    if (one && bound.helpers.size() < kMostHelpers) bound.helpers.push_back(std::move(*one));
  }
  return bound;
}

bool is_confined(const ProcessAffinity& affinity, const Cpus& cpus) {
  return std::all_of(affinity.threads.begin(), affinity.threads.end(), [&](const ThreadAffinity& thread) {
    return std::includes(cpus.begin(), cpus.end(), thread.cpus.begin(), thread.cpus.end());
  });
}

bool ConfinementInjector::acted(const Json& before, const Json& after) const {
  return grew(before, after, "confined_cpu_ns");
}

Result<Confinement> ConfinementInjector::parse(const Json& record) const {
  const std::string what = "undo record of " + info().name;
  ClosedObject object(record, what);
  const Json& ranks = object.array("ranks", kMaxLocalRanks);
  GRIT_CHECK(object.done());
  Confinement undo;
  for (const Json& one : ranks) {
    ClosedObject fields(one, what);
    const Json& before = fields.object("before");
    const Json& helpers = helpers_in(one, fields);
    const std::string list = fields.text("cpus", 16'384);
    ConfinedRank rank;
    rank.why = fields.text("why", 256);
    GRIT_CHECK(fields.done());
    GRIT_TRY(rank.before, process_affinity_from_json(before));
    GRIT_TRY(rank.helpers, helpers_from_json(helpers));
    GRIT_TRY(rank.cpus, cpus_from_list(list));
    undo.ranks.push_back(std::move(rank));
  }
  return undo;
}

Status ConfinementInjector::set(const Target&, const Confinement& undo) const {
  for (const ConfinedRank& rank : undo.ranks)
    for (const ProcessAffinity* process : processes_of(rank)) GRIT_CHECK(set_affinity(process->process, rank.cpus));
  return {};
}

Result<Reading> ConfinementInjector::read(const Target&, const Confinement& undo) const {
  Reading reading;
  std::size_t living = 0, confined = 0;
  for (const ConfinedRank& rank : undo.ranks)
    for (const ProcessAffinity* before : processes_of(rank)) {
      GRIT_TRY(const auto now, living_affinity(before->process));
      if (!now) continue;
      ++living;
      confined += is_confined(*now, rank.cpus) ? 1 : 0;
      for (const ThreadAffinity& thread : now->threads)
        reading.left = reading.left || is_left(*before, rank.cpus, thread);
      reading.details[std::to_string(before->process.pid)] = {
          {"cpus", to_list(now->threads.front().cpus)},
          {"threads", now->threads.size()},
          {"why", before == &rank.before ? rank.why : fmt::format("of rank process {}", rank.before.process.pid)}};
    }
  reading.holds = living > 0 && confined == living;
  return reading;
}

Result<Reverted> ConfinementInjector::restore(const Confinement& undo) const {
  Status all;
  bool any = false;
  for (const ConfinedRank& rank : undo.ranks) {  // each of them, also when one cannot be put back
    for (const ProcessAffinity* before : processes_of(rank)) {
      GRIT_TRY(const bool alive, lives(before->process));
      any = any || alive;
      if (auto one = restore_affinity_within(*before, rank.cpus); !one && all) all = one;
    }
  }
  GRIT_CHECK(all);
  if (any) GRIT_CHECK(restore_later_helpers(undo));
  return any ? Reverted::put_back : Reverted::gone;
}

/// Counts what the ranks computed while they were confined, which the kernel does not keep apart.
class ConfinementInjector::Confining final : public Running {
 public:
  using Running::Running;
  Status start() override {
    GRIT_CHECK(Running::start());
    GRIT_TRY(since_on_cpu_ns_, on_cpu_ns());
    on_ = true;
    return {};
  }
  Status stop() override {
    const auto now_ns = confined_ns();  // they are put back also when it cannot be read
    if (now_ns) past_ns_ = *now_ns;
    on_ = false;
    return Running::stop();
  }
  Result<Json> counters() override {
    GRIT_TRY(const std::int64_t now_ns, confined_ns());
    return Json{{"confined_cpu_ns", now_ns}};
  }

 private:
  [[nodiscard]] Result<std::int64_t> on_cpu_ns() const {
    std::int64_t sum_ns = 0;
    for (const ConfinedRank& rank : undo_.ranks)
      for (const ProcessAffinity* process : processes_of(rank)) {
        GRIT_TRY(const auto times, scheduler_times(process->process));
        if (times) sum_ns += times->on_cpu_ns;
      }
    return sum_ns;
  }
  Result<std::int64_t> confined_ns() {
    if (!on_) return past_ns_;
    GRIT_TRY(const Reading now, read());
    if (!now.holds) return past_ns_;
    GRIT_TRY(const std::int64_t now_ns, on_cpu_ns());
    return past_ns_ + std::max<std::int64_t>(now_ns - since_on_cpu_ns_, 0);
  }

  bool on_ = false;
  std::int64_t since_on_cpu_ns_ = 0;
  std::int64_t past_ns_ = 0;  // of earlier starts
};

Result<std::unique_ptr<Fault>> ConfinementInjector::make_fault(const Target& target, Confinement undo) const {
  return std::make_unique<Confining>(*this, target, std::move(undo));
}

}  // namespace grit
