#include "harness/health/reader.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <set>

#include "harness/base/json_fields.hpp"
#include "harness/base/printable.hpp"
#include "harness/os/process_usage.hpp"

namespace grit {
namespace {

constexpr std::size_t kLargestMessage_bytes = 256 * 1024;  // 64 outcomes of four texts, and what the check remembers
constexpr std::string_view kExpendable = "500";            // of -1000 .. 1000 (proc(5), oom_score_adj)

std::int64_t cpu_ns_of(int who) {
  rusage usage{};
  ::getrusage(who, &usage);
  return process_usage(usage).cpu_ns;
}

std::string shortened_text(const std::string& text) {
  std::string shown = printable(text);
  if (shown.size() <= kMostText_bytes) return shown;
  std::size_t end = kMostText_bytes;
  while (end > 0 && (static_cast<unsigned char>(shown[end]) & 0xc0U) == 0x80U) --end;  // not within a character
  return shown.substr(0, end) + "...";
}

/// One outcome a subject, the worst; when there are too many the worst of all, and how many more there are.
void tidy(std::vector<Outcome>& outcomes) {
  std::stable_sort(outcomes.begin(), outcomes.end(),
                   [](const Outcome& a, const Outcome& b) { return rank_of(a.severity) > rank_of(b.severity); });
  std::set<std::string> subjects;
  std::erase_if(outcomes, [&](const Outcome& one) {
    return !(one.not_here && one.subject.empty()) && !subjects.insert(one.subject).second;
  });
  if (outcomes.size() > kMostOutcomes) {
    const std::size_t more = outcomes.size() - kMostOutcomes + 1;
    const Severity worst = outcomes[kMostOutcomes - 1].severity;
    outcomes.resize(kMostOutcomes - 1);
    outcomes.push_back({.severity = worst, .subject = "others", .detail = fmt::format("{} more outcomes", more)});
  }
  for (Outcome& outcome : outcomes)
    for (std::string* text : {&outcome.subject, &outcome.unit, &outcome.detail, &outcome.hint})
      *text = shortened_text(*text);
}

class Reader {
 public:
  explicit Reader(const CheckJob& job) : job_(job), checks_(job.checks.size()) {
    for (std::size_t i = 0; i < job.memories.size() && i < checks_.size(); ++i) checks_[i].memory = job.memories[i];
  }

  CheckReading read(const CheckRequest& request) {
    Planned& check = checks_.at(request.place);
    if (request.anew) check.memory.clear();
    CheckReading reading{.place = request.place, .tag = request.tag, .began_ns = monotonic_ns()};
    const std::int64_t before_ns = cpu_ns_of(RUSAGE_SELF) + cpu_ns_of(RUSAGE_CHILDREN);
    check.memory.begin(reading.began_ns);
    auto outcomes = outcomes_of(request.place, check);
    if (!outcomes) check.memory.undo_begin();  // the next one counts from the last that could be made
    reading.cpu_ns = cpu_ns_of(RUSAGE_SELF) + cpu_ns_of(RUSAGE_CHILDREN) - before_ns;
    reading.ended_ns = monotonic_ns();
    if (!outcomes) outcomes = {{.severity = Severity::unknown, .detail = outcomes.error().message}};
    tidy(*outcomes);
    reading.outcomes = std::move(*outcomes);
    reading.memory = check.memory;
    return reading;
  }

 private:
  struct Planned {
    ReadCheck read{};
    Params params{};
    CheckMemory memory{};
  };

  Result<std::vector<Outcome>> outcomes_of(std::size_t place, Planned& check) {
    const ScenarioPlugin& planned = job_.checks[place];
    const Check* plugin = job_.find(planned.name);
    if (plugin == nullptr) return unavailable_error("there is no check called " + planned.name);
    try {
      if (!check.read) {
        // A plan of another grit may lack parameters that this one's check has.
        GRIT_TRY(Json params, complete_params(check_params(plugin->info), planned.params));
        check.params = Params(std::move(params));
        check.read = plugin->make();
      }
      return check.read(CheckInput{.node = job_.node,
                                   .params = check.params,
                                   .memory = check.memory,
                                   .peers = job_.peers,
                                   .rank_pids = job_.rank_pids,
                                   .limit_ns = integer_at(planned.params, "limit", plugin->info.limit_ns)});
    } catch (const std::exception& error) {
      return internal_error(error.what());
    }
  }

  const CheckJob& job_;
  std::vector<Planned> checks_;
};

}  // namespace

Json to_json(const CheckRequest& request) {
  return {{"place", request.place}, {"tag", request.tag}, {"anew", request.anew}};
}

std::optional<CheckRequest> request_from_json(std::string_view text) {
  const auto json = parse_json(text);
  if (!json || !json->is_object() || integer_at(*json, "place") < 0) return std::nullopt;
  return CheckRequest{.place = static_cast<std::size_t>(integer_at(*json, "place")),
                      .tag = integer_at(*json, "tag"),
                      .anew = truth_at(*json, "anew")};
}

Json to_json(const CheckReading& reading) {
  Json outcomes = Json::array();
  for (const Outcome& outcome : reading.outcomes) outcomes.push_back(to_json(outcome));
  return {{"place", reading.place},
          {"tag", reading.tag},
          {"outcomes", std::move(outcomes)},
          {"began_ns", reading.began_ns},
          {"ended_ns", reading.ended_ns},
          {"cpu_ns", reading.cpu_ns},
          {"memory", reading.memory.to_json()}};
}

std::optional<CheckReading> reading_from_json(std::string_view text) {
  const auto json = parse_json(text);
  if (!json || !json->is_object() || integer_at(*json, "place") < 0) return std::nullopt;
  CheckReading reading{.place = static_cast<std::size_t>(integer_at(*json, "place")),
                       .tag = integer_at(*json, "tag"),
                       .began_ns = integer_at(*json, "began_ns", 0),
                       .ended_ns = integer_at(*json, "ended_ns", 0),
                       .cpu_ns = integer_at(*json, "cpu_ns", 0)};
  if (const auto memory = json->find("memory"); memory != json->end()) reading.memory = CheckMemory::from_json(*memory);
  const auto outcomes = json->find("outcomes");
  if (outcomes == json->end() || !outcomes->is_array()) return std::nullopt;
  for (const Json& one : *outcomes) {
    auto outcome = outcome_from_json(one);
    if (!outcome) return std::nullopt;
    reading.outcomes.push_back(std::move(*outcome));
  }
  return reading;
}

Result<std::pair<Fd, Fd>> make_line() {
  std::array<int, 2> ends{-1, -1};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()) != 0)
    return errno_error("socketpair");
  for (const int end : ends) {
    constexpr int kBuffer_bytes = 4 * static_cast<int>(kLargestMessage_bytes);
    if (::setsockopt(end, SOL_SOCKET, SO_SNDBUFFORCE, &kBuffer_bytes, sizeof kBuffer_bytes) != 0)
      ::setsockopt(end, SOL_SOCKET, SO_SNDBUF, &kBuffer_bytes, sizeof kBuffer_bytes);
  }
  return std::pair(Fd(ends[0]), Fd(ends[1]));
}

bool send_text(int line, const std::string& text) {
  return ::send(line, text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL) == static_cast<ssize_t>(text.size());
}

std::optional<std::string> receive_text(int line, bool& ended) {
  const ssize_t size = ::recv(line, nullptr, 0, MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT);
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return std::nullopt;
  ended = size <= 0;  // no message is empty
  if (ended) return std::nullopt;
  std::string text(static_cast<std::size_t>(size), '\0');
  if (::recv(line, text.data(), text.size(), MSG_DONTWAIT) != size) return std::nullopt;
  return text;
}

void enter_child(const char* name, int line) {
  ::prctl(PR_SET_NAME, name);
  for (int number = 1; number < NSIG; ++number) ::signal(number, SIG_DFL);  // the parent's handlers speak for it
  ::signal(SIGPIPE, SIG_IGN);
  for (const int terminal : {SIGINT, SIGHUP, SIGTERM, SIGQUIT}) ::signal(terminal, SIG_IGN);  // the parent ends it
  if (line > STDERR_FILENO + 1) ::close_range(STDERR_FILENO + 1, static_cast<unsigned>(line) - 1, 0);
  ::close_range(static_cast<unsigned>(line) + 1, ~0U, 0);
  if (const Fd nowhere(::open("/dev/null", O_RDWR | O_CLOEXEC)); nowhere)
    for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) ::dup2(nowhere.get(), stream);
}

void become_reader(pid_t runner) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != runner) ::_exit(0);  // it ended before the line above
  if (const Fd score(::open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC)); score)
    static_cast<void>(::write(score.get(), kExpendable.data(), kExpendable.size()));
}

void read_checks(const CheckJob& job, Fd line) {
  Reader reader(job);
  for (bool ended = false; !ended;) {
    pollfd item{line.get(), POLLIN, 0};
    if (::poll(&item, 1, -1) < 0 && errno != EINTR) return;
    while (const auto text = receive_text(line.get(), ended)) {
      const auto request = request_from_json(*text);
      if (!request || request->place >= job.checks.size()) continue;
      CheckReading reading = reader.read(*request);
      if (!job.wants_memory) reading.memory.clear();
      if (send_text(line.get(), json_text(to_json(reading)))) continue;
      reading.memory.clear();
      reading.outcomes = {{.severity = Severity::unknown, .detail = "what it found is more than a message holds"}};
      send_text(line.get(), json_text(to_json(reading)));
    }
  }
}

}  // namespace grit
