// What an agent watches for besides faults and blocks: hangs, looks at the data, the kernel's log.
#include <fmt/format.h>

#include "analysis/report/finish.hpp"
#include "harness/agent/serve.hpp"
#include "harness/model/event.hpp"
#include "harness/os/process.hpp"

namespace grit {
namespace {

constexpr std::int64_t kOrder_ns = 3 * kNsPerS;         // from a hang's report to the recorder's order, at most
constexpr std::int64_t kLookPatience_ns = 5 * kNsPerS;  // for records that nodes still have
constexpr int kWorstKernelLevel = 4;   // warnings and worse (syslog(2)); a link that goes down is 6, and seen elsewhere
constexpr int kMostKernelLines = 200;  // a node in trouble can write thousands

}  // namespace

void Agent::look_for_reach() {
  for (const PlannedFault& fault : config_.plan.faults) {
    if (fault.node != config_.node) continue;
    const Injector* injector = find_injector(fault.name);
    if (injector != nullptr && injector->info().runs_commands) reach_.everything = true;
    if (injector != nullptr && injector->info().takes_nic) fault_interfaces_.insert(fault.device);
  }
  auto reach = reach_of(fault_interfaces_);
  reach_.interfaces = reach ? std::move(reach->interfaces) : fault_interfaces_;
}

Status Agent::check_machine_wide() const {
  const auto why = lock_.why_not_machine_wide();
  for (const PlannedFault& fault : config_.plan.faults) {
    const Injector* injector = find_injector(fault.name);
    if (why && fault.node == config_.node && injector != nullptr && injector->info().machine_wide)
      return unavailable_error(fmt::format("{}: {}", fault.name, *why));
  }
  return {};
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

bool Agent::waits_for_look() const {
  return !in_block_ && look_before(config_.plan, block_) && segment_.control().look_passed.load() < block_;
}

void Agent::look() {
  NodeControl& control = segment_.control();
  if (!recorder_ || !waits_for_look() || control.look_decided.load() == block_) return;
  if (look_since_ns_ == 0) look_since_ns_ = monotonic_ns();
  if (!recorder_->all_left(block_ - 1) && monotonic_ns() - look_since_ns_ < kLookPatience_ns) return;
  look_since_ns_ = 0;
  auto clear = is_clear_before(config_.run_directory, block_);
  if (!clear) fmt::print(stderr, "grit agent: cannot look at the run so far: {}\n", clear.error().message);
  const bool goes_on = !clear || !*clear;
  Json event = make_event("look", config_.node);
  event["block"] = block_;
  event["look"] = *look_before(config_.plan, block_);
  event["pairs"] = config_.plan.blocks[static_cast<std::size_t>(block_)].pair;
  event["decision"] = goes_on ? "go_on" : "stop";
  emit(std::move(event));
  control.look_goes_on.store(goes_on);
  control.look_decided.store(block_, std::memory_order_release);
}

void Agent::report_hang(std::int64_t waited_ns) {
  Json event = make_event("hang", config_.node);
  event["block"] = block_;
  event["waited_ns"] = waited_ns;
  event["ranks"] = Json::array();
  for (const RankSlot& slot : segment_.slots()) {
    const auto identity = identify_process(slot.pid);
    const auto state = identity ? process_state(*identity) : Result<std::optional<ProcessState>>(std::nullopt);
    event["ranks"].push_back({{"rank", slot.rank},
                              {"step", slot.step_in_block.load()},
                              {"phase", to_string(static_cast<Phase>(slot.phase.load()))},
                              {"stopped", state && *state && (*state)->state == 'T'}});
  }
  emit(std::move(event));
}

void Agent::watch_for_hang(std::int64_t now_ns) {
  std::uint64_t progress = static_cast<std::uint64_t>(block_) << 32;
  for (const RankSlot& slot : segment_.slots()) progress += slot.step_in_block.load(std::memory_order_relaxed) + 1;
  if (!in_block_ || progress != progress_) {
    progress_ = progress;
    progress_at_ns_ = now_ns;
    return;
  }
  if (hang_at_ns_ == 0 && now_ns - progress_at_ns_ >= config_.plan.design.hang_ns) {
    hang_at_ns_ = now_ns;
    report_hang(now_ns - progress_at_ns_);
  }
  // Not before the recorder would: with the fault off the ranks might go on, and others would have nothing to report.
  if (hang_at_ns_ != 0 && now_ns - hang_at_ns_ >= kOrder_ns) end_run("hang, and no order of the recorder came");
}

void Agent::open_kernel_log() {
  // The nodes of a local cluster have one kernel between them.
  if (config_.plan.topology.local_cluster && !recorder_) return;
  if (auto log = KernelLogReader::open()) kernel_log_ = std::move(*log);
}

/// What the kernel said last may be all that is known of a node that is lost: it is sent on at once.
void Agent::watch_kernel_log() {
  while (kernel_log_) {
    const auto line = kernel_log_->next();
    if (!line) kernel_log_.reset();
    if (!line || !*line) return;
    if ((*line)->level > kWorstKernelLevel || ++kernel_lines_ > kMostKernelLines) continue;
    Json event = make_event("kernel", config_.node);
    event["level"] = (*line)->level;
    event["text"] = (*line)->text;
    if (kernel_lines_ == kMostKernelLines) event["last"] = true;  // later ones are not sent
    emit(std::move(event));
  }
}

}  // namespace grit
