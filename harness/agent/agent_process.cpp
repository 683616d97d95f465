#include "harness/agent/agent_process.hpp"

#include <fmt/format.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <csignal>

#include "harness/base/clock.hpp"

namespace grit {
namespace {

/// The agent's own timer reverts first; this is for an agent that is stuck.
constexpr std::int64_t kStuckAgent_ns = kNsPerS;
/// What one journal may take a successor: a command may have 600 s, other faults have seconds.
constexpr std::int64_t kLongestRevert_ns = 700 * kNsPerS;

}  // namespace

Json to_json(const AgentConfig& config) {
  return Json{{"plan", to_json(config.plan)},
              {"node", config.node},
              {"endpoint", config.endpoint},
              {"keys", to_json(config.keys)},
              {"run_directory", config.run_directory.string()},
              {"journal_directory", config.journal_directory.string()}};
}

Result<AgentConfig> agent_config_from_json(const Json& json) {
  AgentConfig config;
  try {
    config.node = json.at("node").get<int>();
    config.endpoint = json.at("endpoint").get<std::string>();
    config.run_directory = json.at("run_directory").get<std::string>();
    config.journal_directory = json.at("journal_directory").get<std::string>();
    GRIT_TRY(config.keys, run_keys_from_json(json.at("keys")));
    GRIT_TRY(config.plan, plan_from_json(json.at("plan")));
  } catch (const Json::exception& error) {
    return internal_error(std::string("bad agent configuration: ") + error.what());
  }
  return config;
}

Json to_json(const RecorderConfig& config) {
  return Json{{"nodes", config.nodes},
              {"endpoints", config.endpoints},
              {"keys", to_json(config.keys)},
              {"run_directory", config.run_directory.string()},
              {"end_patience_ns", config.end_patience_ns},
              {"corrupts_data", config.corrupts_data},
              {"judges", config.judges}};
}

Result<RecorderConfig> recorder_config_from_json(const Json& json) {
  RecorderConfig config;
  try {
    config.nodes = json.at("nodes").get<int>();
    config.endpoints = json.at("endpoints").get<std::vector<std::string>>();
    config.run_directory = json.at("run_directory").get<std::string>();
    config.end_patience_ns = json.at("end_patience_ns").get<std::int64_t>();
    config.corrupts_data = json.at("corrupts_data").get<std::vector<bool>>();
    config.judges = json.at("judges").get<bool>();
    GRIT_TRY(config.keys, run_keys_from_json(json.at("keys")));
  } catch (const Json::exception& error) {
    return internal_error(std::string("bad recorder configuration: ") + error.what());
  }
  return config;
}

Result<std::unique_ptr<AgentProcess>> AgentProcess::start(AgentConfig config, const Segment& segment) {
  auto agent = std::unique_ptr<AgentProcess>(new AgentProcess(std::move(config), segment));
  AgentProcess& raw = *agent;
  raw.wake_fd_ = Fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!raw.wake_fd_) return errno_error("eventfd");
  for (const RankSlot& slot : segment.slots())
    raw.ranks_.emplace_back(static_cast<int>(::syscall(SYS_pidfd_open, slot.pid, 0)));
  KeptProcess::Setup setup;
  setup.command = "agent";
  if (!raw.config_.run_directory.empty())
    setup.log = raw.config_.run_directory / fmt::format("agent-node{}.log", raw.config_.node);
  setup.descriptors = {segment.descriptor(), raw.wake_fd_.get()};
  setup.configuration = [&raw] { return to_json(raw.config_); };
  setup.answered = [&raw](const Json& said) {
    if (raw.process_) return;  // a successor's words, in the thread: they were said
    if (const auto list = said.find("warnings"); list != said.end() && list->is_array())
      for (const Json& one : *list)
        if (one.is_string()) raw.warnings_.push_back(one.get<std::string>());
  };
  setup.is_useless = [&raw] { return lease_overdue(raw.segment_.control(), kStuckAgent_ns, monotonic_ns()); };
  setup.busy_until_ns = [&control = raw.segment_.control()]() -> std::int64_t {
    const bool reverts = control.agent_doing.load() == AgentDoing::applying_or_reverting;
    return reverts ? control.agent_beat_ns.load() + kLongestRevert_ns : 0;
  };
  setup.lost = [&raw](const Error& why) { raw.end_ranks(why); };
  GRIT_TRY(raw.process_, KeptProcess::start(std::move(setup)));
  return agent;
}

/// This process is one of them, and goes last. The recorder misses the node and ends the others.
void AgentProcess::end_ranks(const Error& why) const {
  fmt::print(stderr, "grit: the agent of node {} was lost and cannot be started again: {}\n", config_.node,
             why.message);
  const auto slots = segment_.slots();
  for (std::size_t i = 0; i < ranks_.size(); ++i)
    if (ranks_[i] && slots[i].pid != ::getpid()) ::syscall(SYS_pidfd_send_signal, ranks_[i].get(), SIGKILL, nullptr, 0);
  ::_exit(static_cast<int>(ErrorKind::internal));
}

void AgentProcess::wake() const {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written =
      ::write(wake_fd_.get(), &one, sizeof one);  // full counter: it is awake already
}

Result<std::unique_ptr<RecorderProcess>> RecorderProcess::start(RecorderConfig config, const Segment& segment) {
  auto recorder = std::unique_ptr<RecorderProcess>(new RecorderProcess(std::move(config), segment));
  RecorderProcess& raw = *recorder;
  KeptProcess::Setup setup;
  setup.command = "recorder";
  setup.log = raw.config_.run_directory / "recorder.log";
  setup.descriptors = {segment.descriptor()};
  setup.configuration = [&raw] { return to_json(raw.config_); };
  setup.answered = [&raw](const Json& said) {
    if (!raw.process_)
      raw.config_.endpoints = said.value("endpoints", raw.config_.endpoints);  // a successor's are these
  };
  setup.is_useless = [] { return false; };
  // The agents miss it, and end the run.
  setup.lost = [](const Error& why) {
    fmt::print(stderr, "grit: the recorder was lost and cannot be started again: {}\n", why.message);
  };
  GRIT_TRY(raw.process_, KeptProcess::start(std::move(setup)));
  return recorder;
}

}  // namespace grit
