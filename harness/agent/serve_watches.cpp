// What an agent watches besides blocks and faults: its ranks, its observer, the recorder, and carriers that come back
// after faults.
#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
#include <filesystem>
#include <iterator>

#include "harness/agent/doing.hpp"
#include "harness/agent/serve.hpp"
#include "harness/model/event.hpp"

namespace grit {
namespace {

constexpr std::int64_t kRanksDie_ns = 5 * kNsPerS;  // after SIGKILL; a rank that waits for a device may take longer
constexpr std::int64_t kOrder_ns = 2 * kNsPerS;     // from the report of a rank's end to the recorder's order, at most
/// The observer misses the recorder after 7 s and says so. One that is itself replaced again and again, as where the
/// ranks leave it no CPU, never gets so far.
constexpr std::int64_t kRecorderGone_ns = 20 * kNsPerS;

bool has_one_thread() {
  std::error_code error;
  const std::filesystem::directory_iterator threads("/proc/self/task", error);
  return !error && std::distance(begin(threads), end(threads)) == 1;
}

}  // namespace

bool Agent::watch_ranks() {
  const auto slots = segment_.slots();
  bool any_runs = false;
  for (std::size_t i = 0; i < ranks_.size(); ++i) {
    const RankEnd end = slots[i].end.load();
    if (end == RankEnd::finished) continue;
    pollfd process{ranks_[i].get(), POLLIN, 0};
    const bool gone = !ranks_[i] || ::poll(&process, 1, 0) == 1;
    if (!gone) any_runs = true;
    if (!gone || deaths_at_ns_ != 0 || ended_at_ns_ != 0) continue;
    deaths_at_ns_ = monotonic_ns();
    note_end(slots[i], deaths_at_ns_);  // the observer, which no revert keeps waiting, tells the others
    const Doing doing(segment_.control(), AgentDoing::applying_or_reverting);
    windows_.take_off(RevertReason::rank_died);
    segment_.control().lease_deadline_ns.store(windows_.lease_deadline_ns());
  }
  const std::int64_t now_ns = monotonic_ns();
  if (any_runs && deaths_at_ns_ != 0 && now_ns - deaths_at_ns_ >= kOrder_ns)
    end_run("a rank of this node ended, and no order of the recorder came");
  return any_runs && (ended_at_ns_ == 0 || now_ns - ended_at_ns_ < kRanksDie_ns);
}

void Agent::watch_observer() {
  while (const auto news = observer_.receive()) {
    if (news->end) end_run(*news->end);
    if (news->observed_block) observed_block_ = std::max(observed_block_, *news->observed_block);
  }
  if (observer_.is_gone(segment_.control().observer_beat_ns.load())) replace_observer();
}

void Agent::replace_observer() {
  keep_spare();
  if (!spare_) return;  // the next tick tries again
  spare_->watch_anew();
  spare_->adopt(observer_);
  observer_ = std::move(*spare_);
  spare_.reset();
  emit(make_event("observer_restarted", config_.node));
}

void Agent::keep_spare() {
  if (spare_ || !has_one_thread()) return;
  auto another = ObserverProcess::fork(config_, segment_, true);
  if (another)
    spare_ = std::move(*another);
  else
    fmt::print(stderr, "grit agent: {}\n", another.error().message);
}

void Agent::miss_recorder(std::int64_t now_ns) {
  const std::int64_t silent_ns = now_ns - std::max(segment_.control().recorder_heard_ns.load(), opened_ns_);
  if (ended_at_ns_ != 0 || silent_ns < kRecorderGone_ns) return;
  Json event = make_event("recorder_lost", config_.node);
  event["silent_ns"] = silent_ns;
  emit(std::move(event));
  end_run("recorder_lost");
}

/// What follows after a fault is measured from when it is off; all other blocks need the link.
bool Agent::waits_for_carrier() const {
  return carriers_.waits() && config_.plan.blocks[static_cast<std::size_t>(block_)].kind != BlockKind::recovery;
}

void Agent::watch_carriers() {
  if (!carriers_.waits()) return;
  for (const CarrierNews& news : carriers_.look(monotonic_ns())) {
    Json event = make_event("carrier", config_.node);
    event["interface"] = news.interface;
    event["back"] = news.back;
    event["after_ns"] = news.after_ns;
    if (!news.problem.empty()) event["problem"] = news.problem;
    emit(std::move(event));
    if (!news.back)
      report_residue({fmt::format("{}: it was set up again, but has no carrier after {} s", news.interface,
                                  kCarrierLimit_ns / kNsPerS)});
  }
}

}  // namespace grit
