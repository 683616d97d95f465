// One recorder and the uplinks of very many agents; agents.py runs them.
//
//   bench_agents recorder DIR NODES SECONDS    makes DIR with a run's files and `contact`, which agents read; ends when
//                                              all have said goodbye, or after SECONDS; one JSON object on its output
//   bench_agents agents DIR FIRST COUNT SECONDS   the agents of COUNT nodes, FIRST and following
//
// An agent says what a real one does with 8 ranks and steps of 100 ms, but more often, which is harder on the recorder:
// a record a rank and step, ten times a second, where a real one sends them every two seconds; a heartbeat a second; at
// both ends of blocks of 5 s, which all agents reach together, "block" and "usage" events and the summary of a check.
#include <fmt/format.h>
#include <sys/resource.h>
#include <zmq.h>

#include <chrono>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "harness/agent/recorder.hpp"
#include "harness/agent/uplink.hpp"
#include "harness/base/files.hpp"
#include "harness/model/event.hpp"
#include "harness/os/open_files.hpp"

using namespace grit;
namespace fs = std::filesystem;

namespace {

constexpr int kRanks = 8;
constexpr std::int64_t kStep_ns = 100 * kNsPerMs;
constexpr std::int64_t kStepsABlock = 50;
constexpr std::int64_t kStart_ns = 20 * kNsPerS;  // until all have been started, on a busy machine

Json used() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return {{"user_s", seconds(usage.ru_utime)},
          {"system_s", seconds(usage.ru_stime)},
          {"peak_mib", static_cast<double>(usage.ru_maxrss) / 1024}};
}

Status record(const fs::path& directory, int nodes, int seconds) {
  GRIT_CHECK(create_run_directory(directory));
  GRIT_TRY(const RunKeys keys, make_run_keys());
  GRIT_TRY(Recorder recorder, Recorder::open(directory, {"tcp://127.0.0.1:*"}, keys, nodes));
  RunKeys clients = keys;
  clients.server_secret.clear();
  GRIT_CHECK(write_file_durably(directory / "contact", Json{{"endpoint", recorder.endpoints().front()},
                                                            {"keys", to_json(clients)},
                                                            {"begin_ns", monotonic_ns() + kStart_ns}}
                                                           .dump()));
  const std::int64_t deadline_ns = monotonic_ns() + seconds * kNsPerS;
  std::uint64_t messages = 0, longest_pump_ns = 0;
  while (!recorder.is_over() && monotonic_ns() < deadline_ns) {
    std::vector<zmq_pollitem_t> items;
    for (void* socket : recorder.sockets()) items.push_back({socket, 0, ZMQ_POLLIN, 0});
    ::zmq_poll(items.data(), static_cast<int>(items.size()), 100);
    const std::int64_t begin_ns = monotonic_ns();
    GRIT_TRY(const std::size_t taken, recorder.pump());
    messages += taken;
    longest_pump_ns = std::max(longest_pump_ns, static_cast<std::uint64_t>(monotonic_ns() - begin_ns));
  }
  recorder.finish();
  Json report = used();
  report.update(Json{{"messages", messages}, {"longest_pump_ms", static_cast<double>(longest_pump_ns) / 1e6}});
  fmt::print("{}\n", report.dump());
  return {};
}

class Agent {
 public:
  static Result<Agent> connect(const std::string& endpoint, const RunKeys& keys, int node) {
    GRIT_TRY(Uplink uplink, Uplink::connect(endpoint, keys, node));
    return Agent(std::move(uplink), node);
  }

  /// What it says after its step-th step.
  void step(std::int64_t step) {
    const auto block = static_cast<int>(step / kStepsABlock);
    const std::int64_t in_block = step % kStepsABlock;
    if (in_block == 0) say_edge(block, "begin");
    std::vector<StepRecord> records;
    for (int rank = 0; rank < kRanks; ++rank) {
      StepRecord& record = records.emplace_back();
      record.rank = static_cast<std::uint32_t>(node_ * kRanks + rank);
      record.node = static_cast<std::uint32_t>(node_);
      record.block = static_cast<std::uint32_t>(block);
      record.step = static_cast<std::uint32_t>(step);
      record.step_in_block = static_cast<std::uint32_t>(in_block);
      record.start_ns = step * kStep_ns;
      record.end_ns = record.start_ns + kStep_ns;
    }
    if (uplink_.send_records(records)) sent_records_ += kRanks;
    if (in_block + 1 == kStepsABlock) {
      say_edge(block, "end");
      say({{"type", "check_summary"},
           {"check", "link_up"},
           {"block", block},
           {"readings", 10},
           {"failures", 0},
           {"not_made", 0}});
    }
  }
  void heartbeat() { uplink_.heartbeat(); }
  void goodbye() { uplink_.goodbye(); }
  void close() { uplink_.close(10'000); }

  [[nodiscard]] std::uint64_t sent_records() const { return sent_records_; }
  [[nodiscard]] std::uint64_t sent_events() const { return sent_events_; }
  [[nodiscard]] std::uint64_t dropped() const { return uplink_.dropped_messages(); }

 private:
  Agent(Uplink uplink, int node) : uplink_(std::move(uplink)), node_(node) {}

  void say(Json more) {
    Json event = make_event("", node_);
    event.update(more);
    if (uplink_.send_event(event)) ++sent_events_;
  }

  void say_edge(int block, const char* edge) {
    say({{"type", "block"}, {"block", block}, {"edge", edge}, {"kind", "baseline"}});
    Json ranks = Json::array();
    for (int rank = 0; rank < kRanks; ++rank)
      ranks.push_back({{"rank", node_ * kRanks + rank},
                       {"cpu_ns", 123'456'789'012},
                       {"run_wait_ns", 1'234'567},
                       {"minor_faults", 23'456},
                       {"major_faults", 3},
                       {"stopped_ns", 0},
                       {"blocked_ns", 0}});
    say({{"type", "usage"},
         {"block", block},
         {"edge", edge},
         {"ranks", ranks},
         {"page_faults", 17'079'106},
         {"cpu_busy_ns", 728'230'000'000},
         {"stalls_ns", {{"cpu", 1}, {"memory", 2}, {"io", 3}}}});
  }

  Uplink uplink_;
  int node_;
  std::uint64_t sent_records_ = 0, sent_events_ = 0;
};

Status run_agents(const fs::path& directory, int first, int count, int seconds) {
  constexpr std::size_t kDescriptorsAnUplink = 16;  // of ZeroMQ: a context of its own, its threads' mailboxes
  GRIT_CHECK(allow_open_files(64 + kDescriptorsAnUplink * static_cast<std::size_t>(count)));
  GRIT_TRY(const Json contact, read_json(directory / "contact"));
  GRIT_TRY(const RunKeys keys, run_keys_from_json(contact.at("keys")));
  std::vector<Agent> agents;
  for (int node = first; node < first + count; ++node) {
    GRIT_TRY(Agent agent, Agent::connect(contact.at("endpoint").get<std::string>(), keys, node));
    agents.push_back(std::move(agent));
  }
  const auto begin_ns = contact.at("begin_ns").get<std::int64_t>();
  std::int64_t latest_ns = 0;
  for (std::int64_t step = -kStart_ns / kStep_ns; step < seconds * kNsPerS / kStep_ns; ++step) {
    const std::int64_t due_ns = begin_ns + step * kStep_ns;
    if (due_ns < monotonic_ns() && step < 0) continue;
    std::this_thread::sleep_for(std::chrono::nanoseconds(due_ns - monotonic_ns()));
    latest_ns = std::max(latest_ns, monotonic_ns() - due_ns);
    for (Agent& agent : agents) {
      if (step >= 0) agent.step(step);
      if ((step + kStart_ns / kStep_ns) % (kNsPerS / kStep_ns) == 0) agent.heartbeat();
    }
  }
  Json report{{"records", 0}, {"events", 0}, {"dropped", 0}, {"latest_ms", static_cast<double>(latest_ns) / 1e6}};
  for (Agent& agent : agents) agent.goodbye();
  for (Agent& agent : agents) {
    agent.close();
    report["records"] = report["records"].get<std::uint64_t>() + agent.sent_records();
    report["events"] = report["events"].get<std::uint64_t>() + agent.sent_events();
    report["dropped"] = report["dropped"].get<std::uint64_t>() + agent.dropped();
  }
  report.update(used());
  fmt::print("{}\n", report.dump());
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  const auto number = [&](std::size_t i) { return std::atoi(words[i].c_str()); };
  Status done = usage_error("usage: bench_agents recorder DIR NODES SECONDS | agents DIR FIRST COUNT SECONDS");
  if (words.size() == 4 && words[0] == "recorder") done = record(words[1], number(2), number(3));
  if (words.size() == 5 && words[0] == "agents") done = run_agents(words[1], number(2), number(3), number(4));
  if (done) return 0;
  fmt::print(stderr, "bench_agents: {}\n", done.error().message);
  return static_cast<int>(done.error().kind);
}
