#include "tests/conformance/node.hpp"

#include <arpa/inet.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include <array>
#include <csignal>

#include "harness/os/node_state.hpp"
#include "tests/unit/workloads/thread_fabric.hpp"
#include "workloads/workload.hpp"

namespace grit::test {
namespace {

/// The address of a permanent neighbour (tests/two_nodes.hpp): the datagrams leave without anybody answering ARP.
constexpr const char* kNeighbour = "10.77.1.9";

/// Of each step on a core: enough to be held back by a quota of 5 %, also where emulation makes the rest of a step slow.
constexpr std::int64_t kBusy_ns = 4 * kNsPerMs;

[[noreturn]] void be_a_rank(const Segment& segment) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::prctl(PR_SET_NAME, "stand-in-rank");
  const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(9);  // discard, RFC 863
  ::inet_pton(AF_INET, kNeighbour, &to.sin_addr);

  ThreadFabric::Group group(1);
  ThreadFabric fabric(group, 0);
  WorkloadContext context;
  context.fabric = &fabric;
  context.accelerator_clock = &segment.control().accelerator_clock_ppm;
  context.dials = &segment.slots()[0].dials;
  context.phase = PhaseSink(&segment.slots()[0].phase);
  const auto params = complete_params(find_workload("ddp")->params, Json{{"scale", 0.001}});
  auto workload = params ? make_workload("ddp", Params(*params), context) : internal_error("bad parameters");
  if (!workload) ::_exit(1);
  std::array<char, 512> datagram{};
  for (StepRecord record;;) {
    if (!(*workload)->step(false, record)) ::_exit(1);
    const std::int64_t until_ns = monotonic_ns() + kBusy_ns;
    while (monotonic_ns() < until_ns) {
    }
    ::sendto(socket.get(), datagram.data(), datagram.size(), MSG_DONTWAIT, reinterpret_cast<sockaddr*>(&to), sizeof to);
  }
}

bool is_dead(pid_t pid) {
  const int waited = ::waitpid(pid, nullptr, WNOHANG);
  return waited == pid || (waited < 0 && errno == ECHILD);
}

}  // namespace

StandInRank::StandInRank(const Segment& segment) : segment_(segment) { start(); }

void StandInRank::start() {
  std::fflush(nullptr);
  pid_ = ::fork();
  REQUIRE(pid_ >= 0);
  if (pid_ == 0) be_a_rank(segment_);
  segment_.slots()[0].pid = pid_;
  segment_.slots()[0].rank = 0;
  std::this_thread::sleep_for(std::chrono::milliseconds(20));  // its first steps
}

StandInRank::~StandInRank() {
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

void StandInRank::replace_if_dead() {
  if (is_dead(pid_)) start();
}

Node::Node() {
  // Duplicate address detection takes a second after each time that the link was down; here are no duplicates.
  const Fd setting(::open("/proc/sys/net/ipv6/conf/eth0/accept_dad", O_WRONLY | O_CLOEXEC));
  if (setting) ok(write_all(setting.get(), "0"));
}

std::vector<std::string> Node::state() const {
  std::vector<std::string> lines = dump_network();
  const NodeState machine = read_node_state();
  for (const auto& [thing, how] : machine.at("nftables").things) lines.push_back(thing + ": " + how);
  lines.push_back(fmt::format("accelerator clock {} ppm", segment.control().accelerator_clock_ppm.load()));
  const NodeState rank_state = read_process_state(std::array{static_cast<int>(rank.pid())});
  for (const auto& [who, how] : rank_state.at("processes").things) lines.push_back("rank: " + how);
  for (const auto& [group, nothing] : machine.at("control groups").things) lines.push_back("control group " + group);
  return lines;
}

std::string differences(const std::vector<std::string>& before, const std::vector<std::string>& after) {
  std::string text;
  for (const std::string& line : after)
    if (std::find(before.begin(), before.end(), line) == before.end()) text += "+ " + line + "\n";
  for (const std::string& line : before)
    if (std::find(after.begin(), after.end(), line) == after.end()) text += "- " + line + "\n";
  return text;
}

}  // namespace grit::test
