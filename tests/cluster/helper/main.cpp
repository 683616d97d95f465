// What the cluster tests run, by its first argument.
// - run NODES RUN_DIRECTORY COMMAND...: a local cluster around a command; then a line "end: {JSON}" on standard output
// - switch NODES RUN_DIRECTORY COMMAND...: the same with the command on its switch
// - jobs LAUNCHER PARALLEL LIMIT_S mpi|alone HOST,HOST.../HOST... COMMAND...: the same command on each of these groups
//   of hosts; of each what it printed, then a line "job: {JSON}"; at the end "jobs: COUNT in SECONDS s". LAUNCHER
//   "local" is for the switch
// - enter-node HOST COMMAND...: for mpirun
// - allreduce: MPI rank: sums the ranks' numbers over all nodes, prints host name, rank and sum
// - loop: MPI rank: prints "looping", then sums until it is killed
// - private-shm: rank: leaves a file in /dev/shm and prints what is there
// - discover RUN_DIRECTORY: rank: prints what discovery finds on its node, as JSON
// - linger SECONDS FILE: rank: leaves a process of its own session behind that writes FILE.HOST after SECONDS
// - streams: rank: writes to both streams, exits with 3
// - lossy HOST SHARE COMMAND...: rank: the command, while HOST loses that share of the packets that it gets
#include <fmt/format.h>
#define OMPI_SKIP_MPICXX 1
#include <mpi.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "harness/base/clock.hpp"
#include "harness/base/json.hpp"
#include "harness/cluster/discovery.hpp"
#include "harness/cluster/job_launcher.hpp"
#include "harness/cluster/local.hpp"
#include "harness/os/nftables.hpp"

namespace {

using Arguments = std::vector<std::string>;

std::string host_name() {
  char name[256] = {};
  ::gethostname(name, sizeof name - 1);
  return name;
}

// One write(2) a line: the ranks share the stream.
void say(const std::string& line) {
  const auto text = line + "\n";
  if (::write(STDOUT_FILENO, text.data(), text.size()) < 0) ::_exit(9);
}

int run(const Arguments& arguments, bool on_switch) {
  grit::LocalClusterOptions options;
  options.nodes = std::stoi(arguments.at(0));
  options.run_directory = arguments.at(1);
  (on_switch ? options.on_switch : options.command).assign(arguments.begin() + 2, arguments.end());
  options.environment = {"GRIT_TEST_EXTRA=a b", "OMPI_MCA_btl_base_verbose=0"};
  const auto end = grit::run_local_cluster(options);
  if (!end) {
    fmt::print(stderr, "error: {}\n", end.error().message);
    return static_cast<int>(end.error().kind);
  }
  say("end: " + grit::Json{{"job_status", end->job_status}, {"interrupted", end->interrupted}}.dump());
  return 0;
}

struct RunningJob {
  std::string hosts{};
  grit::HostJobProcess process;
  std::int64_t deadline_ns = 0;
  bool ended_by_us = false;
};

// Prints what the job has printed, then what became of it.
void say_end(const grit::JobLauncher& launcher, const RunningJob& job) {
  const auto& output = job.process.output();
  say(output + "job: " +
      grit::Json{{"hosts", job.hosts},
                 {"status", job.process.status()},
                 {"ended", job.ended_by_us},
                 {"not_started", launcher.why_not_started(job.process.status(), output)}}
          .dump());
}

// Waits for news of any job; says and drops those that have ended.
void follow(const grit::JobLauncher& launcher, std::vector<RunningJob>& running) {
  std::vector<pollfd> sources;
  for (const auto& job : running) {
    sources.push_back({job.process.pid_descriptor(), POLLIN, 0});
    sources.push_back({job.process.output_descriptor(), POLLIN, 0});
  }
  ::poll(sources.data(), sources.size(), 100);
  std::erase_if(running, [&](RunningJob& job) {
    if (!job.ended_by_us && grit::monotonic_ns() > job.deadline_ns) {
      job.process.end(5 * grit::kNsPerS);
      job.ended_by_us = true;
    }
    if (!job.process.poll()) return false;
    say_end(launcher, job);
    return true;
  });
}

int jobs(const Arguments& arguments) {
  const bool local = arguments.at(0) == "local";
  auto launcher = local ? grit::make_local_launcher() : grit::make_job_launcher(arguments.at(0), {}).value();
  const std::size_t parallel = std::stoul(arguments.at(1));
  const std::int64_t limit_ns = std::stol(arguments.at(2)) * grit::kNsPerS;
  const Arguments command(arguments.begin() + 5, arguments.end());
  const std::int64_t began_ns = grit::monotonic_ns();
  std::vector<RunningJob> running;
  std::istringstream groups(arguments.at(4));
  int count = 0;
  for (std::string hosts; std::getline(groups, hosts, '/'); ++count) {
    while (running.size() >= parallel) follow(*launcher, running);
    grit::HostJob job;
    std::istringstream names(hosts);
    for (std::string host; std::getline(names, host, ',');) job.hosts.push_back(host);
    job.uses_mpi = arguments.at(3) == "mpi";
    job.command = command;
    job.environment = {"GRIT_TEST_JOB=c d"};
    job.limit_ns = limit_ns;
    auto started = grit::HostJobProcess::start(*launcher, job);
    if (!started) {
      say("error: " + started.error().message);
      return static_cast<int>(started.error().kind);
    }
    running.push_back({hosts, std::move(*started), grit::monotonic_ns() + limit_ns});
  }
  while (!running.empty()) follow(*launcher, running);
  say(fmt::format("jobs: {} in {:.2f} s", count, static_cast<double>(grit::monotonic_ns() - began_ns) / grit::kNsPerS));
  return 0;
}

int allreduce() {
  MPI_Init(nullptr, nullptr);
  int rank = 0;
  int size = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  std::vector<double> values(100'000, rank + 1.0);
  MPI_Allreduce(MPI_IN_PLACE, values.data(), static_cast<int>(values.size()), MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
  say(fmt::format("{} rank {} of {} sum {}", host_name(), rank, size, values.back()));
  MPI_Finalize();
  return 0;
}

int loop() {
  MPI_Init(nullptr, nullptr);
  say("looping");
  for (double value = 1;;) {
    MPI_Allreduce(MPI_IN_PLACE, &value, 1, MPI_DOUBLE, MPI_MAX, MPI_COMM_WORLD);
    ::usleep(1000);
  }
}

int private_shm() {
  std::ofstream("/dev/shm/of-" + host_name()) << "x";
  std::set<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator("/dev/shm")) names.insert(entry.path().filename());
  std::erase_if(names, [](const auto& name) { return name.starts_with("ompi."); });
  struct stat own {};
  struct stat far {};
  ::stat("/proc/self/ns/net", &own);
  ::stat(std::getenv("GRIT_SWITCH_NETNS"), &far);
  say(fmt::format("{}: {} switch={} shared={} extra={} local={}", host_name(), fmt::join(names, " "),
                  own.st_ino != far.st_ino && far.st_dev == own.st_dev, std::getenv("GRIT_SHARED_CORES"),
                  std::getenv("GRIT_TEST_EXTRA"), grit::in_local_cluster()));
  return 0;
}

int discover(const Arguments& arguments) {
  auto node = grit::discover_node({arguments.at(0)});
  if (!node) {
    say("error: " + node.error().message);
    return 1;
  }
  node->index = std::stoi(node->name.substr(4));
  node->ranks = {std::stoi(std::getenv("OMPI_COMM_WORLD_RANK"))};
  say(grit::to_json(*node).dump());
  return 0;
}

int linger(const Arguments& arguments) {
  if (::fork() != 0) return 0;
  ::setsid();
  ::sleep(static_cast<unsigned>(std::stoi(arguments.at(0))));
  std::ofstream(arguments.at(1) + "." + host_name()) << "done";
  return 0;
}

int streams() {
  if (::write(STDERR_FILENO, "progress\rprogress\r", 18) < 0) return 1;
  say(fmt::format("out tty={} err tty={}", ::isatty(STDOUT_FILENO), ::isatty(STDERR_FILENO)));
  return 3;
}

/// The table of drops goes with this process.
int lossy(const Arguments& arguments) {
  std::optional<grit::DropTable> losses;
  if (host_name() == arguments.at(0)) {
    auto table = grit::DropTable::open({{.incoming = true, .interface = "eth0", .share = std::stod(arguments.at(1))}});
    if (!table || !table->install()) return 77;
    losses.emplace(std::move(*table));
  }
  const Arguments words(arguments.begin() + 2, arguments.end());
  std::vector<char*> argv;
  for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  const pid_t child = ::fork();
  if (child == 0) {
    ::execv(argv[0], argv.data());
    ::_exit(127);
  }
  int status = -1;
  return ::waitpid(child, &status, 0) == child && WIFEXITED(status) ? WEXITSTATUS(status) : 70;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string what = argc > 1 ? argv[1] : "";
  const Arguments arguments(argv + std::min(argc, 2), argv + argc);
  if (what == "run" || what == "switch") return run(arguments, what == "switch");
  if (what == "jobs") return jobs(arguments);
  if (what == "enter-node") return grit::enter_node_main(arguments);
  if (what == "allreduce") return allreduce();
  if (what == "loop") return loop();
  if (what == "private-shm") return private_shm();
  if (what == "discover") return discover(arguments);
  if (what == "linger") return linger(arguments);
  if (what == "streams") return streams();
  if (what == "lossy") return lossy(arguments);
  return 64;
}
