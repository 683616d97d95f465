#include "harness/run/node_facts.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <linux/capability.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <utility>

#include "grit_version.hpp"
#include "harness/agent/journal.hpp"
#include "harness/agent/journal_files.hpp"
#include "harness/agent/node_lock.hpp"
#include "harness/agent/own_place.hpp"
#include "harness/agent/uplink.hpp"
#include "harness/base/clock.hpp"
#include "harness/base/commit.hpp"
#include "harness/base/fd.hpp"
#include "harness/base/files.hpp"
#include "harness/base/units.hpp"
#include "harness/cluster/discovery.hpp"
#include "harness/cluster/launcher.hpp"
#include "harness/cluster/node_gpus.hpp"
#include "harness/model/format.hpp"
#include "harness/os/capability.hpp"
#include "harness/os/cpus.hpp"
#include "harness/os/interrupts.hpp"
#include "harness/os/memory.hpp"
#include "harness/os/wall_clock.hpp"
#include "harness/run/rendezvous.hpp"
#include "harness/run/session.hpp"

namespace grit {
namespace {

namespace fs = std::filesystem;

Fact alike(std::string topic, std::string value) {
  return {.topic = std::move(topic), .value = value, .compared = value};
}

Fact version() { return alike("grit", fmt::format("{} ({})", kVersion, commit())); }

Fact binding() {
  const auto online = online_cpus();
  const auto mine = affinity_of_thread(0);
  if (!online || !mine) return {.topic = "CPUs of a rank", .value = "?"};
  return alike("CPUs of a rank", fmt::format("{} of {}", mine->size(), online->size()));
}

Fact data_nics() {
  const auto node = discover_node({"runs", default_journal_directory()});
  if (!node) return {.topic = "data NICs", .value = "?", .problem = node.error().message, .fatal = true};
  std::vector<std::string> names;
  for (const Nic& nic : node->nics)
    if (nic.role == NicRole::data)
      names.push_back(nic.speed_bits_per_s > 0
                          ? fmt::format("{} {}", nic.name, format_quantity(nic.speed_bits_per_s, Unit::bits_per_s))
                          : nic.name);
  Fact fact = alike("data NICs", names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", ")));
  if (names.empty())
    fact.problem =
        "no NIC is known as one of data: faults on links have nothing to act on. `grit plan SCENARIO` says why each is "
        "not";
  return fact;
}

/// NVIDIA's GPUs as the driver tells of them.
Fact gpus_here() {
  const auto& found = known_gpus();
  if (!found) return {.topic = "GPUs", .value = "?", .problem = found.error().message};
  if (found->driver.empty() && found->all.empty()) return alike("GPUs", "none: the NVIDIA driver is not loaded");
  std::map<std::string, int> names;
  for (const NodeGpu& gpu : found->all) ++names[gpu.mig ? gpu.name + " (MIG)" : gpu.name];
  std::vector<std::string> words;
  for (const auto& [name, count] : names) words.push_back(fmt::format("{} x {}", count, name));
  const std::string all = words.empty() ? "none" : fmt::format("{}", fmt::join(words, ", "));
  Fact fact = alike("GPUs", fmt::format("{}, driver {}", all, found->driver));
  fact.problem = found->problem;
  return fact;
}

Fact privileges() {
  constexpr std::array kWanted{std::pair{CAP_NET_ADMIN, "net_admin"}, std::pair{CAP_SYS_ADMIN, "sys_admin"},
                               std::pair{CAP_SYS_NICE, "sys_nice"}, std::pair{CAP_SYS_PTRACE, "sys_ptrace"},
                               std::pair{CAP_KILL, "kill"}};
  std::vector<std::string> missing;
  for (const auto& [capability, name] : kWanted)
    if (!has_capability(capability)) missing.emplace_back(name);
  Fact fact = alike("capabilities", missing.empty() ? "all" : fmt::format("not {}", fmt::join(missing, ", ")));
  if (!missing.empty())
    fact.problem =
        "faults on links, control groups and other users' processes need them: run as root, or give the program "
        "the capabilities (setcap)";
  return fact;
}

/// The directory itself, or where it would be made.
fs::path existing_part(fs::path directory) {
  std::error_code error;
  while (!fs::exists(directory, error) && directory.has_relative_path()) directory = directory.parent_path();
  return directory;
}

Fact journal() {
  const fs::path directory = default_journal_directory();
  Fact fact = alike("undo journal", directory.string());
  const fs::path existing = existing_part(directory);
  if (std::error_code error; !fs::is_directory(existing, error) || ::access(existing.c_str(), W_OK) != 0) {
    fact.value = fact.compared = "not writable";
    fact.problem = fmt::format("{} cannot be written: without an undo journal no fault is injected; {}",
                               directory.string(), other_journal_directory());
    fact.fatal = true;
    return fact;
  }
  const auto left = find_journals(directory);
  if (!left || left->of_this_node.empty()) return fact;
  fact.value = fact.compared = fmt::format("{} left", left->of_this_node.size());
  fact.problem = "a run that was killed left something behind: `grit revert` takes it off, and so does the next run";
  return fact;
}

/// The control groups of a process that has left the job's where it may, as the agent's heir does: tried in a child.
/// Empty: it could not be tried.
std::string cgroups_after_leaving() {
  std::array<int, 2> ends{-1, -1};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return "";
  const Fd read_end(ends[0]);
  Fd write_end(ends[1]);
  const pid_t child = ::fork();
  if (child == 0) {
    leave_control_groups();
    ::_exit(write_all(write_end.get(), read_file("/proc/self/cgroup").value_or("")) ? 0 : 1);
  }
  write_end.reset();
  std::string text;
  std::array<char, 4096> chunk{};
  for (ssize_t got = 0; (got = ::read(read_end.get(), chunk.data(), chunk.size())) > 0;)
    text.append(chunk.data(), static_cast<std::size_t>(got));
  if (child > 0) ::waitpid(child, nullptr, 0);
  return text;
}

Fact memory() {
  const auto memory = read_memory();
  if (!memory) return {.topic = "memory", .value = "?", .problem = memory.error().message};
  const auto gib = [](std::int64_t bytes) { return static_cast<double>(bytes) / (1024.0 * 1024 * 1024); };
  return {.topic = "memory",
          .value = fmt::format("{:.1f} of {:.1f} GiB free", gib(memory->available_bytes), gib(memory->total_bytes)),
          .compared = fmt::format("{:.0f}", gib(memory->total_bytes))};
}

/// Whether a fault on the NIC that carries grit's own files can be taken off in time.
Fact locked_memory() {
  rlimit limit{};
  ::getrlimit(RLIMIT_MEMLOCK, &limit);
  const bool unlimited = limit.rlim_cur == RLIM_INFINITY || has_capability(CAP_IPC_LOCK);
  Fact fact = alike("memory lock", unlimited ? "unlimited" : fmt::format("{} KiB", limit.rlim_cur / 1024));
  if (!unlimited)
    fact.problem =
        "agents cannot keep their memory in RAM: a fault on the NIC that carries grit's own files might come off late. "
        "Raise the limit (ulimit -l unlimited; under Slurm PropagateResourceLimitsExcept=MEMLOCK), or run as root";
  return fact;
}

Fact clock_daemon() {
  const std::string daemon = running_time_daemon();
  const auto kept = what_keeps_the_clock();
  return {.topic = "clock",
          .value = !daemon.empty() ? daemon
                   : kept          ? "kept from outside"
                                   : "no daemon",
          .compared = !daemon.empty() ? daemon
                      : kept          ? "kept from outside"
                                      : "no daemon",
          .problem = kept.value_or("")};
}

Fact irqbalance() {
  Fact fact = alike("irqbalance", irqbalance_runs() ? "runs" : "no");
  if (irqbalance_runs()) fact.problem = "irqbalance takes irq_misplacement back within 10 s: stop it for that fault";
  return fact;
}

Fact other_run() {
  const auto lock = NodeLock::acquire();
  Fact fact = alike("other run", lock ? "none" : "refused");
  if (!lock) fact.problem = lock.error().message, fact.fatal = true;
  return fact;
}

Fact ranks(const Job& job) { return alike("ranks", fmt::format("{} by {}", job.local_size(), find_launcher().name)); }

/// Rank 0 listens as its recorder would, and every node tries what a run tries.
class Meeting {
 public:
  Meeting(const Job& job, int port) : job_(job), port_(port) {}

  Result<Fact> meet() {
    GRIT_TRY(const Topology topology, discover_topology(job_, "runs"));
    Json told;
    if (job_.rank() == 0) {
      const Status listens = listen(topology);
      told = listens ? Json{{"endpoints", recorder_->endpoints()}} : Json{{"error", listens.error().message}};
    }
    GRIT_TRY(const Json where, parse_json(job_.broadcast(json_text(told))));
    if (where.contains("error")) return unreached("none", where["error"].get<std::string>());
    const auto endpoints = where.at("endpoints").get<std::vector<std::string>>();
    const EndpointTrial mine = job_.local_rank() == 0 ? try_endpoints(endpoints) : EndpointTrial{};
    const auto chosen = agree_on_endpoint(job_, endpoints, mine);
    job_.barrier();
    return chosen ? alike("recorder", *chosen) : of_its_own(mine, endpoints);
  }

 private:
  Status listen(const Topology& topology) {
    GRIT_TRY(const auto endpoints, recorder_endpoints(topology, port_));
    GRIT_TRY(const RunKeys keys, make_run_keys());
    GRIT_TRY(recorder_, RecorderSocket::bind(endpoints, keys));
    return {};
  }

  static Fact unreached(std::string value, std::string why) {
    Fact fact = alike("recorder", std::move(value));
    fact.problem = std::move(why);
    fact.fatal = true;
    return fact;
  }

  /// Where no endpoint is reached by all nodes: those that this one reaches, and the others' reasons.
  static Fact of_its_own(const EndpointTrial& mine, const std::vector<std::string>& endpoints) {
    std::vector<std::string> reached, why_not;
    for (std::size_t i = 0; i < mine.why_not.size(); ++i)
      mine.why_not[i].empty() ? reached.push_back(endpoints[i]) : why_not.push_back(mine.why_not[i]);
    if (why_not.empty()) return alike("recorder", "reached");
    return unreached(
        reached.empty() ? "not reached" : fmt::format("only {}", fmt::join(reached, ", ")),
        fmt::format("{}. The agents of all nodes report to one address of the first node: let the firewall "
                    "pass TCP there (--port chooses a port of yours), or name the interfaces that reach "
                    "each other with GRIT_MANAGEMENT_NICS",
                    fmt::join(why_not, "; ")));
  }

  const Job& job_;
  int port_;
  std::optional<RecorderSocket> recorder_{};
};

Json to_json(const Fact& fact) {
  return Json{{"topic", fact.topic},
              {"value", fact.value},
              {"compared", fact.compared},
              {"problem", fact.problem},
              {"fatal", fact.fatal}};
}

NodeFacts node_facts_from_json(const Json& json) {
  NodeFacts node{.node = json.at("node").get<std::string>()};
  for (const Json& one : json.at("facts"))
    node.facts.push_back({.topic = one.at("topic").get<std::string>(),
                          .value = one.at("value").get<std::string>(),
                          .compared = one.at("compared").get<std::string>(),
                          .problem = one.at("problem").get<std::string>(),
                          .fatal = one.at("fatal").get<bool>()});
  return node;
}

/// Agents and ranks of different versions do not understand each other.
void refuse_mixed_versions(std::vector<NodeFacts>& nodes) {
  const auto differs = unlike_most(nodes);
  for (std::size_t i = 0; i < nodes.size(); ++i)
    for (std::size_t j = 0; j < nodes[i].facts.size(); ++j) {
      Fact& fact = nodes[i].facts[j];
      if (fact.topic != "grit" || !differs[i][j]) continue;
      fact.problem = "another grit than on the other nodes: install the same everywhere";
      fact.fatal = true;
    }
}

}  // namespace

Fact outlives_the_job(std::string_view agent, std::string_view heir, const fs::path& journals) {
  const auto with_heir = ends_with_the_job(heir, journals);
  if (heir.empty())
    return {.topic = "agent outlives the job",
            .value = "?",
            .problem = "whether its heir can leave the job's control group could not be tried"};
  if (with_heir.empty())
    return alike("agent outlives the job", ends_with_the_job(agent, journals).empty() ? "yes" : "its heir does");
  Fact fact = alike("agent outlives the job", "no");
  fact.problem = fmt::format("{}", fmt::join(with_heir, "; "));
  return fact;
}

NodeFacts facts_of_this_node() {
  utsname names{};
  ::uname(&names);
  return {names.nodename,
          {binding(), data_nics(), gpus_here(), privileges(), journal(), other_run(),
           outlives_the_job(read_file("/proc/self/cgroup").value_or(""), cgroups_after_leaving(),
                            default_journal_directory()),
           memory(), locked_memory(), clock_daemon(), irqbalance(), version()}};
}

Fact port_here(int port) {
  Fact fact{.topic = "port", .value = std::to_string(port)};
  const auto listens = [&]() -> Result<std::string> {
    GRIT_TRY(const Node node, discover_node({"runs", default_journal_directory()}));
    // With one node the recorder would listen on the loopback alone; the question is whether others could reach it.
    GRIT_TRY(const auto endpoints, recorder_endpoints(Topology{.nodes = {node, node}}, port));
    GRIT_TRY(const RunKeys keys, make_run_keys());
    GRIT_TRY(const RecorderSocket recorder, RecorderSocket::bind(endpoints, keys));
    return fmt::format("{}", fmt::join(recorder.endpoints(), ", "));
  };
  if (const auto where = listens(); where)
    fact.value +=
        fmt::format(" is free: {}; whether other nodes reach it: mpirun ... grit doctor --port {}", *where, port);
  else
    fact.problem = where.error().message, fact.fatal = true;
  return fact;
}

Result<std::vector<NodeFacts>> facts_of_nodes(const Job& job, int port) {
  GRIT_TRY(const Fact recorder, Meeting(job, port).meet());
  std::string mine;
  const auto look = [&]() -> Status {
    if (job.local_rank() != 0) return {};
    NodeFacts node = facts_of_this_node();
    node.facts.insert(node.facts.begin(), {ranks(job), recorder});
    Json facts = Json::array();
    for (const Fact& fact : node.facts) facts.push_back(to_json(fact));
    mine = json_text(Json{{"node", node.node}, {"facts", std::move(facts)}});
    return {};
  };
  GRIT_CHECK(job.each(look));
  const auto said = job.gather(mine);
  std::vector<NodeFacts> nodes;
  const auto read = [&]() -> Status {
    for (const std::string& text : said) {
      if (text.empty()) continue;
      GRIT_TRY(const Json json, parse_json(text));
      nodes.push_back(node_facts_from_json(json));
    }
    refuse_mixed_versions(nodes);
    return {};
  };
  GRIT_CHECK(job.first(read));
  return nodes;
}

std::vector<std::vector<bool>> unlike_most(const std::vector<NodeFacts>& nodes) {
  std::vector<std::vector<bool>> unlike;
  for (const NodeFacts& node : nodes) unlike.emplace_back(node.facts.size(), false);
  const std::size_t topics = nodes.empty() ? 0 : nodes.front().facts.size();
  for (std::size_t topic = 0; topic < topics; ++topic) {
    std::map<std::string, std::size_t> counts;
    for (const NodeFacts& node : nodes) ++counts[node.facts.at(topic).compared];
    for (std::size_t i = 0; i < nodes.size(); ++i)
      unlike[i][topic] = 2 * counts[nodes[i].facts[topic].compared] <= nodes.size() && counts.size() > 1;
  }
  return unlike;
}

bool run_would_work(const std::vector<NodeFacts>& nodes) {
  return std::none_of(nodes.begin(), nodes.end(), [](const NodeFacts& node) {
    return std::any_of(node.facts.begin(), node.facts.end(), [](const Fact& fact) { return fact.fatal; });
  });
}

std::string facts_table(const std::vector<NodeFacts>& nodes) {
  if (nodes.empty()) return "";
  const auto differs = unlike_most(nodes);
  std::vector<std::vector<std::string>> rows{{"node"}};
  for (const Fact& fact : nodes.front().facts) rows[0].push_back(fact.topic);
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    rows.push_back({nodes[i].node});
    for (std::size_t j = 0; j < nodes[i].facts.size(); ++j) {
      const Fact& fact = nodes[i].facts[j];
      rows.back().push_back(fact.value + (differs[i][j] ? " *" : "") + (fact.fatal ? " !" : ""));
    }
  }
  std::vector<std::size_t> widths(rows[0].size());
  for (const auto& row : rows)
    for (std::size_t j = 0; j < row.size(); ++j) widths[j] = std::max(widths[j], row[j].size());
  std::string text;
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t j = 0; j < row.size(); ++j) line += fmt::format("{:<{}}  ", row[j], widths[j]);
    text += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
  }
  std::map<std::string, std::vector<std::string>> nodes_with;  // a problem that all nodes have is said once
  for (const NodeFacts& node : nodes)
    for (const Fact& fact : node.facts)
      if (!fact.problem.empty()) nodes_with[fact.topic + ": " + fact.problem].push_back(node.node);
  if (!nodes_with.empty()) text += "\n";
  for (const auto& [problem, names] : nodes_with)
    text += fmt::format(
        "{}: {}\n",
        names.size() == nodes.size() && names.size() > 1 ? "all nodes" : fmt::format("{}", fmt::join(names, ", ")),
        problem);
  return text + "\n* unlike most nodes   ! a run would not start\n";
}

Json facts_json(const std::vector<NodeFacts>& nodes) {
  const auto differs = unlike_most(nodes);
  Json list = Json::array();
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    Json facts = Json::array();
    for (std::size_t j = 0; j < nodes[i].facts.size(); ++j) {
      Json fact = to_json(nodes[i].facts[j]);
      fact.erase("compared");
      fact["differs"] = static_cast<bool>(differs[i][j]);
      facts.push_back(std::move(fact));
    }
    list.push_back({{"node", nodes[i].node}, {"facts", std::move(facts)}});
  }
  return Json{{"format", formats::kDoctor.number}, {"ok", run_would_work(nodes)}, {"nodes", std::move(list)}};
}

}  // namespace grit
