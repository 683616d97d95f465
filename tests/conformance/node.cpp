#include "tests/conformance/node.hpp"

#include <arpa/inet.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <future>
#include <thread>

#include "harness/os/node_state.hpp"
#include "harness/os/pci_link.hpp"
#include "harness/os/process.hpp"
#include "harness/os/thread_affinity.hpp"
#include "tests/unit/workloads/thread_communicator.hpp"
#include "workloads/workload.hpp"

namespace grit::test {
namespace {

/// The address of a permanent neighbour (tests/two_nodes.hpp): the datagrams leave without anybody answering ARP.
constexpr const char* kNeighbour = "10.77.1.9";

/// Of each step on a core: enough to be held back by a quota of 5 %, also where emulation makes the rest of a step
/// slow.
constexpr std::int64_t kBusy_ns = 4 * kNsPerMs;

constexpr std::int64_t kFakeLimit_mw = 649'777;  // a site's own, of GPUs that are made with another one

constexpr std::int64_t kRest_ns = 5 * kNsPerMs;  // of the second rank, so that the first has a core to itself

/// Does nothing, as the threads of an MPI library or an accelerator's driver do most of the time. Bound when this
/// returns.
void start_helper(const Cpus& cpus) {
  std::promise<void> bound;
  std::thread([&bound, cpus] {
    static_cast<void>(set_affinity_of_thread(0, cpus));
    bound.set_value();
    for (;;) ::usleep(1000);
  }).detach();
  bound.get_future().wait();
}

/// A process beside a rank, as those that load its data are: bound as the rank is, at work now and then.
void start_helper_process() {
  const pid_t rank = ::getpid();
  if (::fork() != 0) return;
  ::close_range(STDERR_FILENO + 1, ~0U, 0);  // the rank says by closing its own that it is ready
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::prctl(PR_SET_NAME, "stand-in-helper");
  while (::getppid() == rank) ::usleep(1000);
  ::_exit(0);
}

[[noreturn]] void be_a_rank(const Segment& segment, std::size_t local_rank, Fd ready) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  RankSlot& slot = segment.slots()[local_rank];
  const Cpus all = affinity_of_thread(0).value_or(Cpus{0});
  if (local_rank > 0) static_cast<void>(set_affinity_of_thread(0, {all.front()}));
  start_helper_process();
  start_helper({local_rank > 0 ? all.front() : all.back()});
  ::prctl(PR_SET_NAME, "stand-in-rank");
  const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(9);  // discard, RFC 863
  ::inet_pton(AF_INET, kNeighbour, &to.sin_addr);

  ThreadCommunicator::Group group(1);
  ThreadCommunicator communicator(group, 0);
  WorkloadContext context;
  context.communicator = &communicator;
  context.accelerator_clock = &segment.control().accelerator_clock_ppm;
  context.dials = &slot.dials;
  context.phase = PhaseSink(&slot.phase);
  const auto params = complete_params(find_workload("ddp")->params, Json{{"scale", 0.001}});
  auto workload = params ? make_workload("ddp", Params(*params), context) : internal_error("bad parameters");
  if (!workload) ::_exit(1);
  std::array<char, 512> datagram{};
  for (StepRecord record; true; ready.reset()) {  // after the first step
    if (!(*workload)->step(record)) ::_exit(1);
    const std::int64_t until_ns = monotonic_ns() + (local_rank > 0 ? 0 : kBusy_ns);
    while (monotonic_ns() < until_ns) {
    }
    if (local_rank > 0) ::usleep(kRest_ns / kNsPerUs);
    ::sendto(socket.get(), datagram.data(), datagram.size(), MSG_DONTWAIT, reinterpret_cast<sockaddr*>(&to), sizeof to);
  }
}

/// A process that has been killed is a zombie as soon as its main thread is gone, and can be waited for only when its
/// other threads are gone, too.
bool is_dead(pid_t pid) {
  const auto identity = identify_process(pid);
  const auto state = identity ? ok(process_state(*identity)) : std::nullopt;
  const int waited = ::waitpid(pid, nullptr, state && state->state == 'Z' ? 0 : WNOHANG);
  return waited == pid || (waited < 0 && errno == ECHILD);
}

}  // namespace

StandInRank::StandInRank(const Segment& segment, std::size_t local_rank) : segment_(segment), local_rank_(local_rank) {
  start();
}

void StandInRank::start() {
  std::fflush(nullptr);
  int ends[2];
  REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
  const Fd ready(ends[0]);
  pid_ = ::fork();
  REQUIRE(pid_ >= 0);
  if (pid_ == 0) be_a_rank(segment_, local_rank_, Fd(ends[1]));
  ::close(ends[1]);
  segment_.slots()[local_rank_].pid = pid_;
  segment_.slots()[local_rank_].rank = static_cast<std::int32_t>(local_rank_);
  char nothing = 0;
  REQUIRE(::read(ready.get(), &nothing, 1) == 0);  // it closes its end after its first step
}

StandInRank::~StandInRank() {
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

void StandInRank::kill() const {
  ::kill(pid_, SIGKILL);
  siginfo_t ended{};
  REQUIRE(::waitid(P_PID, static_cast<id_t>(pid_), &ended, WEXITED | WNOWAIT) == 0);
}

void StandInRank::wait_for() const { REQUIRE(::waitpid(pid_, nullptr, 0) == pid_); }

void StandInRank::replace_if_dead() {
  if (is_dead(pid_)) start();
}

Node::Node() {
  // Duplicate address detection takes a second after each time that the link was down; here are no duplicates.
  const Fd setting(::open("/proc/sys/net/ipv6/conf/eth0/accept_dad", O_WRONLY | O_CLOEXEC));
  if (setting) ok(write_all(setting.get(), "0"));
}

void Node::add_fake_gpus() {
  gpus.emplace();
  std::string text = "gpus 2\n";
  for (int i = 0; i < 2; ++i)
    text += fmt::format(
        "gpu{0}.sm_mhz 1980\ngpu{0}.max_mhz 1980\ngpu{0}.reasons 0\ngpu{0}.used_percent 99\ngpu{0}.limit_mw {1}\n"
        "gpu{0}.default_limit_mw 700000\ngpu{0}.lowest_mw 200000\ngpu{0}.capped_below_mw 600000\n",
        i, kFakeLimit_mw);
  gpus->write(text);
  for (RankSlot& slot : segment.slots()) slot.gpu.store(pci_number("0000:00:00.0"));  // the fake's address of gpu0
}

void Node::replace_dead_ranks() {
  rank.replace_if_dead();
  other_rank.replace_if_dead();
}

std::vector<std::string> Node::state() const {
  std::vector<std::string> lines = dump_network();
  const NodeState machine = read_node_state();
  for (const auto& [thing, how] : machine.at("nftables").things) lines.push_back(thing + ": " + how);
  lines.push_back(fmt::format("accelerator clock {} ppm", segment.control().accelerator_clock_ppm.load()));
  for (const RankSlot& slot : segment.slots()) {
    const NodeState rank_state = read_process_state(std::array{static_cast<int>(slot.pid)});
    for (const auto& [who, how] : rank_state.at("processes").things)
      lines.push_back(fmt::format("rank {}: {}", slot.rank, how));
    const auto threads = ok(read_affinity(ok(identify_process(slot.pid)))).threads;
    for (std::size_t i = 0; i < threads.size(); ++i)
      lines.push_back(fmt::format("rank {} thread {}: CPU {}", slot.rank, i, to_list(threads[i].cpus)));
    const auto helpers = ok(helpers_of(std::array{ok(identify_process(slot.pid))}));
    for (const ProcessIdentity& helper : helpers.front())
      lines.push_back(fmt::format("rank {} helper: CPU {}", slot.rank, to_list(ok(affinity_of_thread(helper.pid)))));
    const RankDials& dials = slot.dials;
    lines.push_back(fmt::format("rank {} dials: {} ns, up to {} ns more, in every {} steps", slot.rank,
                                dials.delay_ns.load(), dials.delay_jitter_ns.load(), dials.delay_every.load()));
    lines.push_back(fmt::format("rank {} dials: bit {}, in every {} steps, seed {}; imbalance {} ppm", slot.rank,
                                dials.flip_bit.load(), dials.flip_every.load(), dials.flip_seed.load(),
                                dials.router_imbalance_ppm.load()));
  }
  for (int i = 0; gpus && i < 2; ++i) {
    const std::int64_t limit_mw = gpus->setting(fmt::format("gpu{}.limit_mw", i));
    lines.push_back(fmt::format("gpu{}: clocks locked to {} MHz, power limit {} mW", i,
                                std::max<std::int64_t>(0, gpus->setting(fmt::format("gpu{}.lock_mhz", i))),
                                limit_mw < 0 ? kFakeLimit_mw : limit_mw));
  }
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
