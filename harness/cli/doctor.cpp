// grit doctor: can this machine, or each node of a job, do what grit needs? Says what was tried and, where it failed,
// what to do.
#include <fmt/format.h>
#include <sched.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <vector>

#include "grit_version.hpp"
#include "harness/agent/journal.hpp"
#include "harness/cli/commands.hpp"
#include "harness/cli/scenario_options.hpp"
#include "harness/cluster/ask_in_namespaces.hpp"
#include "harness/cluster/discovery.hpp"
#include "harness/cluster/launch.hpp"
#include "harness/cluster/local.hpp"
#include "harness/model/format.hpp"
#include "harness/os/namespaces.hpp"
#include "harness/run/node_facts.hpp"
#include "injectors/injector.hpp"
#include "workloads/compute/accelerator.hpp"

namespace grit {
namespace {

struct Line {
  bool good;
  std::string what;
  std::string detail;
  bool note = false;  // worth a look, but no obstacle
};

/// Empty: it works; otherwise why not.
std::string try_namespaces() {
  const auto asked = ask_in_namespaces([] {
    Status entered = unshare_namespaces(CLONE_NEWPID);
    if (entered) entered = check_root_survives_entering();
    return entered ? std::string() : entered.error().message;
  });
  return asked ? *asked : asked.error().message;
}

Line namespaces() {
  if (std::string why = try_namespaces(); !why.empty()) return {false, "local cluster", why};
  return {true, "local cluster",
          fmt::format("namespaces can be made {}; default size {} nodes", ::geteuid() == 0 ? "as root" : "without root",
                      default_local_nodes())};
}

Line mpirun() {
  const Status found = check_mpirun();
  return {found.has_value(), "Open MPI", found ? "mpirun is in PATH" : found.error().message};
}

Line nics() {
  const auto node = discover_node({"runs", default_journal_directory()});
  if (!node) return {false, "interfaces", node.error().message};
  std::string text;
  for (const Nic& nic : node->nics) {
    if (nic.role == NicRole::other) continue;
    const char* role = nic.role == NicRole::data ? "data" : "management";
    text += fmt::format("{}{}: {} ({})", text.empty() ? "" : "; ", nic.name, role, nic.role_evidence);
  }
  return {true, "interfaces", text.empty() ? "none that is up" : text};
}

Line backends() {
  const auto word = [](bool have) { return have ? "found" : "not found"; };
  return {true, "built with",
          fmt::format("CUDA {}, NCCL {}, verbs {}", word(kHaveCuda), word(kHaveNccl), word(kHaveVerbs))};
}

Line gpus() {
  const auto here = describe_cuda_here();
  return {true, "GPUs by CUDA", here ? *here : here.error().message, !here};
}

Line line_of(const Fact& fact) {
  return {!fact.fatal, fact.topic, fact.problem.empty() ? fact.value : fact.value + ": " + fact.problem,
          !fact.problem.empty()};
}

/// What a run here needs of the machine itself, whether it would be a node of a real cluster or carry a local one.
std::vector<Line> lines_of(const NodeFacts& facts) {
  std::vector<Line> lines;
  for (const Fact& fact : facts.facts) lines.push_back(line_of(fact));
  return lines;
}

Result<int> examine_machine(bool json, int port) {
  std::vector<Line> lines{namespaces(), mpirun(), nics(), backends(), gpus()};
  for (Line& line : lines_of(facts_of_this_node())) lines.push_back(std::move(line));
  if (port != 0) lines.push_back(line_of(port_here(port)));
  bool good = true;
  Json list = Json::array();
  for (const Line& line : lines) {
    if (!json) fmt::print("{:<4} {:<23} {}\n", !line.good ? "no" : line.note ? "note" : "ok", line.what, line.detail);
    list.push_back({{"ok", line.good}, {"what", line.what}, {"detail", line.detail}});
    good = good && line.good;
  }
  if (json)
    fmt::print("{}\n",
               json_text(Json{{"format", formats::kDoctor.number}, {"ok", good}, {"machine", std::move(list)}}, 1));
  return good ? 0 : static_cast<int>(ErrorKind::unavailable);
}

Result<int> examine_nodes(const Job& job, bool json, int port) {
  GRIT_TRY(const auto nodes, facts_of_nodes(job, port));
  bool good = true;
  const auto print = [&]() -> Status {
    good = run_would_work(nodes);
    fmt::print("{}", json ? json_text(facts_json(nodes), 1) + "\n" : facts_table(nodes));
    std::fflush(stdout);
    return {};
  };
  GRIT_CHECK(job.first(print));
  GRIT_TRY(const Json shared, parse_json(job.broadcast(json_text(good))));
  return shared.get<bool>() ? 0 : static_cast<int>(ErrorKind::unavailable);
}

Result<int> examine(bool json, int port) {
  GRIT_TRY(const bool in_job, started_by_mpi());
  if (!in_job) return examine_machine(json, port);
  return run_in_job([=](const Job& job) { return examine_nodes(job, json, port); });
}

}  // namespace

void add_doctor(CLI::App& app, Action& action) {
  auto* command = app.add_subcommand(
      "doctor", "say what works on this machine, or on all nodes of an MPI job, and what is missing");
  command->footer(
      "example: grit doctor                      this machine, and whether it can carry a local cluster\n"
      "         srun -N4 --mpi=pmix grit doctor  a table, a row a node (mpirun likewise)\n"
      "exit code 69: a run would not start");
  auto json = std::make_shared<bool>(false);
  command->add_flag("--json", *json, "the same as JSON, nothing else");
  auto port = std::make_shared<int>(0);
  add_port_option(*command, *port);
  command->callback([=, &action] { action = [=] { return examine(*json, *port); }; });
}

}  // namespace grit
