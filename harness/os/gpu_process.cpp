#include "harness/os/gpu_process.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <utility>

#include "harness/base/clock.hpp"
#include "harness/os/gpu_settings.hpp"

namespace grit {
namespace {

constexpr std::size_t kMostMessage_bytes = 128 << 10;  // some hundred bytes of each of 64 GPUs
constexpr std::int64_t kDies_ns = 200 * kNsPerMs;      // after SIGKILL; a driver's call may never return
constexpr int kLine = 3;

bool send_json(int line, const Json& message) {
  const std::string text = json_text(message);
  return ::send(line, text.data(), text.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(text.size());
}

Json packed(const Result<Json>& answer) {
  if (answer) return {{"answer", *answer}};
  return {{"error", answer.error().message}, {"kind", static_cast<int>(answer.error().kind)}};
}

Result<Json> unpacked(const std::string& text) {
  GRIT_TRY(const Json message, parse_json(text));
  if (message.contains("answer")) return message["answer"];
  Error error{.kind = ErrorKind::internal, .message = message.value("error", "")};
  for (const ErrorKind kind : {ErrorKind::usage, ErrorKind::unavailable})
    if (message.value("kind", 0) == static_cast<int>(kind)) error.kind = kind;
  return tl::make_unexpected(std::move(error));
}

Result<Nvml> started_nvml() {
  GRIT_TRY(Nvml nvml, Nvml::load());
  if (const nvml::Code code = nvml.start(); code != nvml::success) return nvml_error("NVIDIA's library", code);
  return nvml;
}

/// The rest of the process's life.
void serve(GpuService& service, int line) {
  std::string question(kMostMessage_bytes, '\0');
  for (;;) {
    pollfd item{line, POLLIN, 0};
    const int ready = ::poll(&item, 1, static_cast<int>(kGpuTick_ns / kNsPerMs));
    if (ready < 0 && errno == EINTR) continue;
    if (ready == 0) service.tick();
    if (ready == 0) continue;
    const ssize_t got = ::recv(line, question.data(), question.size(), 0);
    if (got <= 0) return;
    const auto asked = parse_json(question.substr(0, static_cast<std::size_t>(got)));
    const Result<Json> answer = asked ? service.answer(*asked) : asked;
    if (!send_json(line, packed(answer))) return;
  }
}

/// What the library prints must not go into a file of ours that has the number of standard output.
bool keep_only(int line) {
  if (::dup2(line, kLine) != kLine || ::close_range(kLine + 1, ~0U, 0) != 0) return false;
  const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  return null >= 0 && ::dup2(null, STDIN_FILENO) >= 0 && ::dup2(null, STDOUT_FILENO) >= 0;
}

/// An exception ends it: it must not come back as a second one of its parent.
[[noreturn]] void run_process(pid_t parent, int line, const std::function<void(int line)>& body) noexcept {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(1);  // it died before the line above
  ::prctl(PR_SET_NAME, "grit-gpu");
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  if (!keep_only(line)) ::_exit(1);
  body(kLine);
  ::_exit(0);
}

void serve_gpus(const GpuProcess::Make& make, int line) {
  const auto nvml = started_nvml();
  if (!nvml) {
    send_json(line, packed(tl::make_unexpected(nvml.error())));
    return;
  }
  const auto service = make(*nvml);
  if (send_json(line, packed(Json(true)))) serve(*service, line);
  ::_exit(0);  // a library of an ill GPU might not let itself be shut down
}

class OneQuestion final : public GpuService {
 public:
  OneQuestion(const Nvml& nvml, const std::function<Result<Json>(const Nvml&)>& work) : nvml_(nvml), work_(work) {}
  Result<Json> answer(const Json&) override { return work_(nvml_); }

 private:
  const Nvml& nvml_;
  const std::function<Result<Json>(const Nvml&)>& work_;
};

}  // namespace

Result<GpuProcess> GpuProcess::fork_to(const Body& body) {
  std::array<int, 2> ends{-1, -1};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0) return errno_error("socketpair");
  Fd ours(ends[0]);
  const Fd theirs(ends[1]);
  const pid_t parent = ::getpid(), pid = ::fork();
  if (pid < 0) return errno_error("cannot fork a process for the GPUs");
  if (pid == 0) run_process(parent, theirs.get(), body);
  return GpuProcess(pid, std::move(ours));  // with our copy of the other end closed, the line ends with the process
}

Result<GpuProcess> GpuProcess::start(const Make& make, std::int64_t limit_ns) {
  GRIT_TRY(GpuProcess process, fork_to([&](int line) { serve_gpus(make, line); }));
  GRIT_CHECK(process.receive(limit_ns, "NVIDIA's driver did not start its library"));
  return process;
}

GpuProcess::GpuProcess(GpuProcess&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)), line_(std::move(other.line_)) {}

GpuProcess& GpuProcess::operator=(GpuProcess&& other) noexcept {
  if (this == &other) return *this;
  end();
  pid_ = std::exchange(other.pid_, -1);
  line_ = std::move(other.line_);
  return *this;
}

GpuProcess::~GpuProcess() { end(); }

/// One that waits in the driver does not die: it is left, and its parent's end leaves it to init. What its call may
/// still set: GpuClaim::call().
void GpuProcess::end() {
  if (pid_ <= 0) return;
  line_.reset();  // at which it ends by itself
  ::kill(pid_, SIGKILL);
  const std::int64_t until_ns = monotonic_ns() + kDies_ns;
  while (::waitpid(pid_, nullptr, WNOHANG) == 0 && monotonic_ns() < until_ns) ::usleep(500);
  pid_ = -1;
}

Result<Json> GpuProcess::receive(std::int64_t limit_ns, const char* too_late) {
  const std::int64_t until_ns = monotonic_ns() + limit_ns;
  pollfd item{line_.get(), POLLIN, 0};
  for (;;) {
    const std::int64_t left_ns = std::max<std::int64_t>(0, until_ns - monotonic_ns());
    const int ready = ::poll(&item, 1, static_cast<int>(left_ns / kNsPerMs));
    if (ready < 0 && errno == EINTR) continue;
    if (ready > 0) break;
    if (ready == 0 && left_ns >= kNsPerMs) continue;
    end();
    return unavailable_error(fmt::format("{} within {} ms", too_late, limit_ns / kNsPerMs));
  }
  std::string text(kMostMessage_bytes, '\0');
  const ssize_t got = ::recv(line_.get(), text.data(), text.size(), 0);
  if (got <= 0) {
    end();
    return unavailable_error("the process that asks NVIDIA's library has ended");
  }
  text.resize(static_cast<std::size_t>(got));
  return unpacked(text);
}

Result<Json> GpuProcess::ask(const Json& question, std::int64_t limit_ns) {
  if (!running() || !send_json(line_.get(), question)) {
    end();
    return unavailable_error("the process that asks NVIDIA's library has ended");
  }
  return receive(limit_ns, "NVIDIA's driver did not answer");
}

Result<Json> ask_gpus(const std::function<Result<Json>(const Nvml&)>& work, std::int64_t limit_ns) {
  GRIT_TRY(GpuProcess process,
           GpuProcess::start([&](const Nvml& nvml) { return std::make_unique<OneQuestion>(nvml, work); }));
  return process.ask(Json(), limit_ns);
}

Result<Json> ask_apart(const std::function<Result<Json>()>& work, std::int64_t limit_ns) {
  GRIT_TRY(GpuProcess process, GpuProcess::fork_to([&](int line) {
             send_json(line, packed(work()));
             ::_exit(0);
           }));
  return process.receive(limit_ns, "NVIDIA's driver did not answer");
}

}  // namespace grit
