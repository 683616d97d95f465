// What the cluster tests run, by its first argument.
// - run NODES RUN_DIRECTORY COMMAND...: a local cluster around a command; then a line "end: {JSON}" on standard output
// - switch NODES RUN_DIRECTORY COMMAND...: the same with the command on its switch
// - job HOST,HOST... COMMAND...: on the switch: an MPI job on these nodes; prints its output, then "job: {JSON}"
// - enter HOST COMMAND...: on the switch: the same without MPI on one node
// - enter-node HOST COMMAND...: for mpirun
// - allreduce: MPI rank: sums the ranks' numbers over all nodes, prints host name, rank and sum
// - loop: MPI rank: prints "looping", then sums until it is killed
// - private-shm: rank: leaves a file in /dev/shm and prints what is there
// - discover RUN_DIRECTORY: rank: prints what discovery finds on its node, as JSON
// - linger SECONDS FILE: rank: leaves a process of its own session behind that writes FILE.HOST after SECONDS
// - streams: rank: writes to both streams, exits with 3
#include <fmt/format.h>
#define OMPI_SKIP_MPICXX 1
#include <mpi.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "harness/base/json.hpp"
#include "harness/cluster/discovery.hpp"
#include "harness/cluster/job_launcher.hpp"
#include "harness/cluster/local.hpp"

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

int job(const Arguments& arguments, bool uses_mpi) {
  grit::HostJob wanted;
  std::istringstream hosts(arguments.at(0));
  for (std::string host; std::getline(hosts, host, ',');) wanted.hosts.push_back(host);
  wanted.uses_mpi = uses_mpi;
  wanted.command.assign(arguments.begin() + 1, arguments.end());
  wanted.environment = {"GRIT_TEST_JOB=c d"};
  const auto launcher = grit::make_local_launcher();
  auto started = grit::HostJobProcess::start(*launcher, wanted);
  if (!started) {
    say("error: " + started.error().message);
    return static_cast<int>(started.error().kind);
  }
  while (!started->poll()) {
    pollfd sources[] = {{started->pid_descriptor(), POLLIN, 0}, {started->output_descriptor(), POLLIN, 0}};
    ::poll(sources, std::size(sources), 100);
  }
  say(started->output() + "job: " +
      grit::Json{{"status", started->status()},
                 {"not_started", launcher->why_not_started(started->status(), started->output())}}
          .dump());
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

}  // namespace

int main(int argc, char** argv) {
  const std::string what = argc > 1 ? argv[1] : "";
  const Arguments arguments(argv + std::min(argc, 2), argv + argc);
  if (what == "run" || what == "switch") return run(arguments, what == "switch");
  if (what == "job" || what == "enter") return job(arguments, what == "job");
  if (what == "enter-node") return grit::enter_node_main(arguments);
  if (what == "allreduce") return allreduce();
  if (what == "loop") return loop();
  if (what == "private-shm") return private_shm();
  if (what == "discover") return discover(arguments);
  if (what == "linger") return linger(arguments);
  if (what == "streams") return streams();
  return 64;
}
