#include "harness/agent/node_checks.hpp"

#include <poll.h>

#include <algorithm>
#include <limits>

#include "harness/base/json_fields.hpp"

namespace grit {
namespace {

/// A reading of what counts takes a millisecond; the block's end is told to the others after it.
constexpr std::int64_t kLastReadings_ns = 250 * kNsPerMs;

/// The nodes of a local cluster have one machine between them: the first reads what is the machine's.
bool is_read_by(const Plan& plan, int node, const CheckInfo& info) {
  return !(info.of_machine && plan.topology.local_cluster && node != 0);
}

}  // namespace

Result<std::optional<CheckRunner>> start_checks(const Plan& plan, int node, std::vector<int> rank_pids) {
  if (plan.checks.empty()) return std::optional<CheckRunner>();
  GRIT_TRY(CheckRunner runner, CheckRunner::start({.node = plan.topology.nodes[static_cast<std::size_t>(node)],
                                                   .peers = plan.topology.nodes,
                                                   .rank_pids = std::move(rank_pids),
                                                   .checks = plan.checks}));
  return std::optional(std::move(runner));
}

NodeChecks::NodeChecks(const Plan& plan, int node, Result<std::optional<CheckRunner>> runner,
                       std::function<void(Json)> emit)
    : plan_(plan), log_(node, plan.topology.local_cluster, std::move(emit)) {
  if (runner)
    runner_ = std::move(*runner);
  else
    why_none_ = runner.error().message;
  for (const ScenarioPlugin& planned : plan.checks) {
    const Check* check = find_check(planned.name);
    const CheckInfo info = check != nullptr ? check->info : CheckInfo{.name = planned.name};  // its readings say so
    checks_.push_back({.name = {.label = check_label(planned), .info = info},
                       .period_ns = integer_at(planned.params, "every", info.period_ns),
                       .is_own = is_read_by(plan, node, info),
                       .in_faults_only = has_text(planned.params, "blocks", "fault")});
  }
}

bool NodeChecks::is_read_in(const Planned& check, int block) const {
  return check.is_own &&
         (!check.in_faults_only || plan_.blocks[static_cast<std::size_t>(block)].kind == BlockKind::fault);
}

std::int64_t NodeChecks::next_ns() const {
  std::int64_t next_ns = std::numeric_limits<std::int64_t>::max();
  for (std::size_t place = 0; runner_ && block_ && place < checks_.size(); ++place)
    if (checks_[place].is_read && !runner_->is_asked(place)) next_ns = std::min(next_ns, checks_[place].due_ns);
  return next_ns;
}

void NodeChecks::ask(std::size_t place, bool is_start) {
  Planned& check = checks_[place];
  if (!runner_->ask(place, tag_of(*block_, is_start), check.anew)) return;
  check.anew = false;
  check.due_ns = monotonic_ns() + check.period_ns;
}

void NodeChecks::begin_block(int block) {
  block_ = block;
  for (Planned& check : checks_) check.is_read = is_read_in(check, block);
  if (!why_none_.empty()) tell_why_none();
  if (!runner_) return;
  take_answers();
  for (std::size_t place = 0; place < checks_.size(); ++place) {
    checks_[place].anew = true;
    if (!checks_[place].is_read || !checks_[place].name.info.counts) continue;
    if (runner_->is_asked(place)) checks_[place].due_ns = 0;  // as soon as the reading that is under way has ended
    ask(place, true);
  }
}

void NodeChecks::tell_why_none() {
  for (std::size_t place = 0; place < checks_.size(); ++place)
    if (checks_[place].is_read)
      log_.take(checks_[place].name, block_,
                {.place = place,
                 .outcomes = {{.severity = Severity::unknown, .detail = why_none_}},
                 .began_ns = monotonic_ns(),
                 .ended_ns = monotonic_ns()});
}

void NodeChecks::turn(std::int64_t now_ns) {
  if (!runner_) return;
  take_answers();
  if (!block_) return;
  for (std::size_t place = 0; place < checks_.size(); ++place) {
    const Planned& check = checks_[place];
    if (!check.is_read || runner_->is_asked(place) || now_ns < check.due_ns) continue;
    // A reading across the block's beginning was under way when it began: what is counted from is read now.
    ask(place, check.anew && check.name.info.counts);
  }
}

void NodeChecks::take_answers() {
  while (const auto reading = runner_->receive()) {
    const bool is_of_block = block_ && reading->tag == tag_of(*block_, false);
    const bool is_start = (reading->tag & 1) != 0;
    if (is_start) continue;
    log_.take(checks_[reading->place].name, is_of_block ? block_ : std::nullopt, *reading);
  }
}

void NodeChecks::read_once_more() {
  std::vector<std::size_t> left;
  for (std::size_t place = 0; place < checks_.size(); ++place)
    if (checks_[place].is_read && checks_[place].name.info.counts && !checks_[place].anew) left.push_back(place);
  std::vector<std::size_t> asked;
  const std::int64_t until_ns = monotonic_ns() + kLastReadings_ns;
  for (;;) {
    take_answers();
    std::erase_if(left, [&](std::size_t place) {
      if (runner_->is_asked(place)) return false;  // a reading from before the end is under way
      ask(place, false);
      asked.push_back(place);
      return true;
    });
    std::erase_if(asked, [&](std::size_t place) { return !runner_->is_asked(place); });
    const std::int64_t wait_ns = until_ns - monotonic_ns();
    if ((left.empty() && asked.empty()) || wait_ns <= 0) return;
    if (runner_->descriptor() < 0) continue;  // it is gone, and answers at once
    pollfd item{runner_->descriptor(), POLLIN, 0};
    ::poll(&item, 1, static_cast<int>(wait_ns / kNsPerMs) + 1);
  }
}

void NodeChecks::end_block() {
  if (!block_) return;
  if (runner_) read_once_more();
  log_.end_block(*block_);
  block_.reset();
}

}  // namespace grit
