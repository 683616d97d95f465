#include "harness/agent/recorder_main.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <zmq.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <memory>

#include "harness/agent/agent_process.hpp"
#include "harness/agent/recorder.hpp"
#include "harness/base/json_fields.hpp"
#include "harness/base/shell_words.hpp"
#include "harness/model/ending.hpp"
#include "harness/record/run_dir.hpp"

extern char** environ;

namespace grit {
namespace {

constexpr int kTick_ms = 500;        // messages wake it; this is for what nobody says: lost nodes, SIGTERM
constexpr int kEndingTick_ms = 100;  // orders go out again and again
constexpr std::int64_t kOthersSayGoodbye_ns = 30 * kNsPerS;  // after SIGTERM, which a batch system sends to all
constexpr std::size_t kMostSaid_bytes = 600;                 // of why, among the last words
constexpr int kFirstRankDies_ms = 2000;                      // after its agent has ended it

/// Also when there was none to open: it had ended.
bool is_gone(const Fd& process, int within_ms) {
  pollfd end{process.get(), POLLIN, 0};
  return !process || ::poll(&end, 1, within_ms) == 1;
}

/// What whoever started the job should read when its launcher cannot: nothing for what the launcher tells itself.
std::string last_words(const Json& cause, const std::filesystem::path& run_directory) {
  std::string because = text_at(cause, "message");
  // A command's own words: no terminal escape of theirs reaches the user's terminal.
  std::replace_if(
      because.begin(), because.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; }, ' ');
  because.erase(because.find_last_not_of(' ') + 1);
  // A command's words may be long, and what mends it comes after them.
  if (because.size() > kMostSaid_bytes) because = because.substr(0, kMostSaid_bytes) + " ...";
  if (ranks_exit_code(text_at(cause, "type")) == 0) return {};
  std::string text;
  if (const auto json = read_json(run_directory / "plan.json"); has_text(cause, "type", "fault") && json) {
    const auto plan = plan_from_json(*json);
    const std::int64_t id = integer_at(cause, "fault");
    for (const PlannedFault& fault : plan ? plan->faults : std::vector<PlannedFault>()) {
      if (fault.id != id) continue;
      const auto index = static_cast<std::size_t>(fault.node);
      const auto& nodes = plan->topology.nodes;
      const std::string node = index < nodes.size() ? nodes[index].name : fmt::format("node {}", fault.node);
      text = fmt::format(
          "grit: NOT REVERTED: {}{}{} on {} may still be in force: {}\ngrit: run `grit revert` on {} before it is used "
          "for anything else\n",
          fault.name, fault.device.empty() ? "" : " of ", fault.device, node, because, node);
    }
  }
  if (text.empty()) text = fmt::format("grit: the run ends: {}\n", because);
  return fmt::format("\n{}grit: the verdict: grit report {}\n", text, shell_word(run_directory.string()));
}

class Recording {
 public:
  Recording(RecorderConfig config, Segment segment, Recorder recorder)
      : config_(std::move(config)),
        segment_(std::move(segment)),
        recorder_(std::move(recorder)),
        first_rank_(static_cast<int>(::syscall(SYS_pidfd_open, segment_.slots()[0].pid, 0))) {
    sigemptyset(&term_);
    sigaddset(&term_, SIGTERM);
    recorder_.give_up_after(config_.end_patience_ns);
    recorder_.expects_wrong_sums(config_.corrupts_data);
    if (config_.judges) recorder_.before_order([this](const Json& cause) { leave_last_words(cause); });
  }

  [[nodiscard]] const std::vector<std::string>& endpoints() const { return recorder_.endpoints(); }

  void serve() {
    NodeControl& control = segment_.control();
    while (!recorder_.is_over() && !gives_up()) {
      std::array<zmq_pollitem_t, 2> items{};
      for (std::size_t i = 0; i < items.size(); ++i) items[i] = {recorder_.sockets()[i], 0, ZMQ_POLLIN, 0};
      ::zmq_poll(items.data(), static_cast<int>(items.size()), recorder_.cause() ? kEndingTick_ms : kTick_ms);
      if (auto pumped = recorder_.pump(); !pumped) fmt::print(stderr, "grit recorder: {}\n", pumped.error().message);
      control.left_by_all.store(recorder_.left_by_all(), std::memory_order_release);
      control.recorder_beat_ns.store(monotonic_ns());
    }
    recorder_.finish();
    if (config_.judges && first_rank_is_gone()) start_report();
  }

 private:
  /// Rank 0, whose standard error the launcher shows, says them when it is ended.
  void leave_last_words(const Json& cause) {
    NodeControl& control = segment_.control();
    const std::string words = last_words(cause, config_.run_directory);
    if (words.empty() || control.leave_with.load() != 0) return;
    const std::size_t bytes = std::min(words.size(), sizeof control.last_words);
    std::memcpy(control.last_words, words.data(), bytes);
    control.last_words_bytes.store(static_cast<std::uint32_t>(bytes));
    control.leave_with.store(ranks_exit_code(text_at(cause, "type")));
  }

  bool gives_up() {
    const timespec now{};
    if (told_to_end_ns_ == 0 && ::sigtimedwait(&term_, nullptr, &now) == SIGTERM) told_to_end_ns_ = monotonic_ns();
    if (told_to_end_ns_ == 0) return recorder_.is_quiet() && is_gone(first_rank_, 0);  // no other agent will come
    return recorder_.is_quiet() || monotonic_ns() - told_to_end_ns_ > kOthersSayGoodbye_ns;
  }

  [[nodiscard]] bool first_rank_is_gone() const {
    if (segment_.slots()[0].end.load() == RankEnd::finished) return false;  // it judges itself
    return is_gone(first_rank_, kFirstRankDies_ms);
  }

  void start_report() const {
    posix_spawn_file_actions_t actions{};
    posix_spawnattr_t attributes{};
    if (posix_spawn_file_actions_init(&actions) != 0 || posix_spawnattr_init(&attributes) != 0) return;
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
    std::string name = "grit", command = "report", directory = config_.run_directory.string();
    std::array<char*, 4> arguments{name.data(), command.data(), directory.data(), nullptr};
    pid_t pid = -1;
    if (const int error = posix_spawn(&pid, "/proc/self/exe", &actions, &attributes, arguments.data(), environ);
        error != 0)
      fmt::print(stderr, "grit recorder: {}\n", errno_error("cannot start grit report", error).value().message);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
  }

  RecorderConfig config_;
  Segment segment_;
  Recorder recorder_;
  Fd first_rank_;
  sigset_t term_{};
  std::int64_t told_to_end_ns_ = 0;
};

Result<Ready> start_recorder(const Json& configuration) {
  GRIT_TRY(RecorderConfig config, recorder_config_from_json(configuration));
  GRIT_TRY(Segment segment, Segment::attach(Fd(kRecorderSegmentFd)));
  GRIT_TRY(Recorder recorder, Recorder::open(config.run_directory, config.endpoints, config.keys, config.nodes));
  const auto recording = std::make_shared<Recording>(std::move(config), std::move(segment), std::move(recorder));
  return Ready{Json{{"endpoints", recording->endpoints()}}, [recording] { recording->serve(); }};
}

}  // namespace

int recorder_main() { return kept_process_main("grit-recorder", kRecorderDescriptors, start_recorder); }

}  // namespace grit
