#include "harness/run/measure.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <poll.h>
#include <sys/time.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <optional>
#include <set>
#include <string_view>
#include <thread>
#include <utility>

#include "harness/base/clock.hpp"
#include "harness/base/files.hpp"
#include "harness/base/shortened.hpp"
#include "harness/base/units.hpp"
#include "harness/os/identity.hpp"
#include "harness/run/measure_kinds.hpp"
#include "harness/run/measure_turn.hpp"

namespace grit {
namespace {

/// For what an earlier front end left behind to be ended, a run with its faults among it.
constexpr std::int64_t kTurn_ns = 20 * kNsPerS;

bool needs_job(const std::string& kind) {
  const BurninKind* known = find_burnin_kind(kind);
  return known != nullptr && known->shape != BurninShape::node;
}

Status check_kinds(const std::vector<std::string>& kinds) {
  std::vector<std::string_view> names;
  for (const BurninKind& known : kBurninKinds) names.push_back(known.name);
  for (const std::string& kind : kinds)
    if (find_burnin_kind(kind) == nullptr)
      return usage_error(fmt::format("there is no kind of measurement called {}; there are {}", shortened(kind),
                                     fmt::join(names, ", ")));
  return {};
}

/// SIGALRM ends this process, wherever it waits: the launcher that would end it may be gone.
Status end_after(std::int64_t limit_ns) {
  if (limit_ns <= 0) return {};
  ::signal(SIGALRM, SIG_DFL);
  sigset_t alarm;
  ::sigemptyset(&alarm);
  ::sigaddset(&alarm, SIGALRM);
  ::pthread_sigmask(SIG_UNBLOCK, &alarm, nullptr);
  const itimerval timer{.it_interval = {},
                        .it_value = {.tv_sec = limit_ns / kNsPerS, .tv_usec = limit_ns % kNsPerS / kNsPerUs + 1}};
  return ::setitimer(ITIMER_REAL, &timer, nullptr) == 0 ? Status() : errno_error("cannot set a timer");
}

/// Nobody reads what this process says any more: the launcher is gone.
bool reader_is_gone() {
  pollfd output{.fd = STDOUT_FILENO, .events = 0, .revents = 0};
  return ::poll(&output, 1, 0) == 1 && (output.revents & POLLERR) != 0;
}

/// Where files for a moment go.
std::filesystem::path directory_of(const MeasureRequest& request) {
  if (!request.directory.empty()) return request.directory;
  const char* temporary = std::getenv("TMPDIR");
  return temporary != nullptr && *temporary != '\0' ? temporary : "/var/tmp";
}

std::vector<BurninLine> measure_alone(const std::string& kind, const MeasureHere& here) {
  if (kind == "facts") return {measure_facts(here)};
  if (kind == "checks") return measure_checks(here);
  if (kind == "compute") return {measure_compute(here)};
  if (kind == "memory") return {measure_memory(here)};
  return {measure_storage(here)};
}

/// Of each node of the job its name among the cell's, on every rank. Error (usage): two nodes took themselves for one
/// host.
Result<std::vector<std::string>> hosts_of_nodes(const Job& job, const std::string& mine) {
  Json names = Json::array();
  for (const std::string& name : job.gather(job.local_rank() == 0 ? mine : std::string()))
    if (!name.empty()) names.push_back(name);
  GRIT_TRY(const Json told, parse_json(job.broadcast(json_text(names))));
  const auto hosts = told.get<std::vector<std::string>>();
  for (std::size_t i = 0; i < hosts.size(); ++i)
    if (std::find(hosts.begin(), hosts.begin() + static_cast<std::ptrdiff_t>(i), hosts[i]) !=
        hosts.begin() + static_cast<std::ptrdiff_t>(i))
      return usage_error(fmt::format("two nodes of the job take themselves for {}", shortened(hosts[i])));
  return hosts;
}

Result<std::vector<BurninLine>> measure_in_job(const std::string& kind, const Job& job, const MeasureHere& here,
                                               const std::vector<std::string>& hosts) {
  if (kind == "link") return measure_link(job, here, hosts);
  if (kind == "collective") return measure_collective(job, here);
  if (kind == "training") return measure_training(job, here);
  std::vector<BurninLine> lines;
  if (job.local_rank() == 0) lines = measure_alone(kind, here);
  sleep_until_all_are_here(job);
  return lines;
}

Status say_all(const std::vector<BurninLine>& lines) {
  for (const BurninLine& line : lines) GRIT_CHECK(say_burnin_line(line));
  return {};
}

/// Which start of its kernel the node is in, and how often its links lost their carrier, before and after what is
/// measured. The first is said first of all, so that it is known also of a node that does not live to its first figure.
class NodeWatch {
 public:
  explicit NodeWatch(std::string host) : host_(std::move(host)), nics_(data_links()) {}

  [[nodiscard]] Status say_begin() const {
    return say_burnin_line({.host = host_, .boot_id = boot_id().value_or(""), .carriers = read_carriers(nics_)});
  }
  [[nodiscard]] Status say_end() const { return say_burnin_line({.host = host_, .carriers = read_carriers(nics_)}); }

 private:
  std::string host_;
  std::vector<std::string> nics_;
};

Result<int> measure_kinds(const Job& job, const MeasureRequest& request, MeasureHere here) {
  std::optional<MeasureTurn> turn;
  GRIT_CHECK(job.each([&]() -> Status {
    GRIT_TRY(here.host, which_host(request.hosts, request.boots));
    if (job.local_rank() != 0 || request.burnin.empty()) return {};
    GRIT_TRY(turn, MeasureTurn::take(request.burnin, here.host, kTurn_ns));
    return {};
  }));
  GRIT_TRY(const std::vector<std::string> hosts, hosts_of_nodes(job, here.host));
  std::optional<NodeWatch> watch;
  if (job.local_rank() == 0) GRIT_CHECK(watch.emplace(here.host).say_begin());
  bool is_comparable = true;
  if (!request.scenario.empty()) {
    GRIT_TRY(is_comparable, measure_by_run(job, request, here, hosts));
  } else {
    for (const std::string& kind : request.kinds) {
      GRIT_TRY(const std::vector<BurninLine> lines, measure_in_job(kind, job, here, hosts));
      GRIT_CHECK(say_all(lines));
    }
  }
  if (watch && is_comparable) GRIT_CHECK(watch->say_end());
  return 0;
}

Result<int> measure_kinds(const MeasureRequest& request, MeasureHere here) {
  GRIT_TRY(here.host, which_host(request.hosts, request.boots));
  std::optional<MeasureTurn> turn;
  if (!request.burnin.empty()) {
    GRIT_TRY(turn, MeasureTurn::take(request.burnin, here.host, kTurn_ns, [] { return !reader_is_gone(); }));
  }
  const NodeWatch watch(here.host);
  if (!reader_is_gone()) GRIT_CHECK(watch.say_begin());
  for (const std::string& kind : request.kinds) {
    if (reader_is_gone()) return unavailable_error("nobody reads what is measured");
    GRIT_CHECK(say_all(measure_alone(kind, here)));
  }
  if (!reader_is_gone()) GRIT_CHECK(watch.say_end());
  return 0;
}

bool is_address(const std::string& name) {
  std::array<unsigned char, sizeof(in6_addr)> bytes{};
  return ::inet_pton(AF_INET, name.c_str(), bytes.data()) == 1 ||
         ::inet_pton(AF_INET6, name.c_str(), bytes.data()) == 1;
}

/// The same name, or one of them is the other's up to its first dot.
std::vector<std::string> fitting(const std::vector<std::string>& hosts, const std::string& name) {
  if (std::find(hosts.begin(), hosts.end(), name) != hosts.end()) return {name};
  if (is_address(name)) return {};
  std::vector<std::string> fit;
  for (const std::string& host : hosts)
    if (!is_address(host) && (host.starts_with(name + ".") || name.starts_with(host + "."))) fit.push_back(host);
  return fit;
}

}  // namespace

Status say_burnin_line(const BurninLine& line) { return write_all(STDOUT_FILENO, burnin_line(line)); }

void sleep_until_all_are_here(const Job& job) {
  MPI_Request all_here = MPI_REQUEST_NULL;
  MPI_Ibarrier(job.world(), &all_here);
  for (int done = 0; done == 0;) {
    MPI_Test(&all_here, &done, MPI_STATUS_IGNORE);
    if (done == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

bool nodes_share_cores() {
  const char* shared = std::getenv("GRIT_SHARED_CORES");
  return shared != nullptr && std::string_view(shared) == "1";
}

std::optional<std::string> host_of_boot(const std::vector<std::string>& hosts, const std::vector<std::string>& boots,
                                        const std::string& boot) {
  const std::set<std::string> different(boots.begin(), boots.end());
  if (boots.size() != hosts.size() || different.size() != boots.size() || different.contains("")) return std::nullopt;
  for (std::size_t i = 0; i < hosts.size(); ++i)
    if (boot.starts_with(boots[i])) return hosts[i];
  return std::nullopt;
}

Result<std::string> which_of(const std::vector<std::string>& hosts, const std::vector<std::string>& names) {
  if (hosts.size() == 1) return hosts.front();
  for (const std::string& name : names) {
    const std::vector<std::string> fit = fitting(hosts, name);
    if (fit.size() == 1) return fit.front();
    if (fit.size() > 1)
      return usage_error(
          fmt::format("this node, {}, may be any of {}: give their whole names", name, fmt::join(fit, ", ")));
  }
  return usage_error(fmt::format("this node is none of {}: it is known as {}",
                                 shortened(fmt::format("{}", fmt::join(hosts, ", "))), fmt::join(names, ", ")));
}

Result<std::string> which_host(const std::vector<std::string>& hosts, const std::vector<std::string>& boots) {
  if (const auto booted = host_of_boot(hosts, boots, boot_id().value_or(""))) return *booted;
  std::vector<std::string> names;
  if (const char* slurm = std::getenv("SLURMD_NODENAME"); slurm != nullptr && *slurm != '\0') names.emplace_back(slurm);
  utsname system{};
  ::uname(&system);
  names.emplace_back(system.nodename);
  for (const std::string& address : own_addresses()) names.push_back(address);
  return which_of(hosts, names);
}

std::vector<std::string> measure_words(const MeasureRequest& request) {
  std::vector<std::string> words{"measure"};
  const auto add = [&](const char* option, std::string value) {
    if (!value.empty()) words.insert(words.end(), {option, std::move(value)});
  };
  add("--kinds", fmt::format("{}", fmt::join(request.kinds, ",")));
  add("--hosts", fmt::format("{}", fmt::join(request.hosts, ",")));
  add("--length-ns", fmt::format("{}", request.length_ns));
  add("--directory", request.directory.string());
  add("--scenario", request.scenario);
  for (const auto& [name, value] : request.sets) add("--set", fmt::format("{}={}", name, value));
  add("--limit-ns", fmt::format("{}", request.limit_ns));
  add("--checks-source", request.checks_source);
  add("--seed", fmt::format("{}", request.seed));
  add("--burnin", request.burnin);
  add("--boots", fmt::format("{}", fmt::join(request.boots, ",")));
  return words;
}

Result<int> measure(const MeasureRequest& request) {
  GRIT_CHECK(end_after(request.limit_ns));
  GRIT_CHECK(check_kinds(request.kinds));
  if (request.scenario.empty() && (request.kinds.empty() || request.length_ns <= 0))
    return usage_error("grit measure is started by a burn-in, which tells it what to measure and how long");
  const MeasureHere here{.length_ns = request.length_ns,
                         .directory = directory_of(request),
                         .checks_source = request.checks_source,
                         .shares_cores = nodes_share_cores()};
  if (request.scenario.empty() && std::none_of(request.kinds.begin(), request.kinds.end(), needs_job))
    return measure_kinds(request, here);
  return run_in_job([&](const Job& job) { return measure_kinds(job, request, here); });
}

}  // namespace grit
