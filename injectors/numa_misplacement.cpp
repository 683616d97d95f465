// numa_misplacement: ranks run on the CPUs of a NUMA node that is not the one of their memory, as after a wrong binding
// or a restart on the wrong socket. Their memory stays where it is.
#include "injectors/numa_misplacement.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "harness/os/closed_object.hpp"
#include "harness/os/numa.hpp"
#include "harness/os/thread_affinity.hpp"
#include "injectors/ranks.hpp"

namespace grit {
namespace {

struct Misplaced {
  ProcessAffinity before{};
  int memory_node = 0;
  int cpu_node = 0;
  Cpus cpus{};  // where it is sent
};

Json to_json(const Misplaced& one) {
  return Json{{"before", to_json(one.before)},
              {"memory_node", one.memory_node},
              {"cpu_node", one.cpu_node},
              {"cpus", to_list(one.cpus)}};
}

Result<Misplaced> misplaced_from_json(const Json& json) {
  ClosedObject object(json, "undo record of numa_misplacement");
  Misplaced one;
  const Json& before = object.object("before");
  one.memory_node = static_cast<int>(object.integer("memory_node", 0, 65'535));
  one.cpu_node = static_cast<int>(object.integer("cpu_node", 0, 65'535));
  const std::string list = object.text("cpus", 16'384);
  GRIT_CHECK(object.done());
  GRIT_TRY(one.before, process_affinity_from_json(before));
  GRIT_TRY(one.cpus, cpus_from_list(list));
  return one;
}

Result<std::vector<Misplaced>> undo_from_json(const Json& record) {
  ClosedObject object(record, "undo record of numa_misplacement");
  const Json& ranks = object.array("ranks", kMaxLocalRanks);
  GRIT_CHECK(object.done());
  std::vector<Misplaced> all;
  for (const Json& one : ranks) {
    GRIT_TRY(Misplaced rank, misplaced_from_json(one));
    all.push_back(std::move(rank));
  }
  return all;
}

/// The farthest node with CPUs, seen from the one that holds most of the process's memory.
Result<Misplaced> choose(const std::vector<NumaNode>& nodes, const ProcessIdentity& rank) {
  Misplaced chosen;
  GRIT_TRY(chosen.before, read_affinity(rank));
  GRIT_TRY(const auto memory, memory_by_numa_node(rank));
  chosen.memory_node = std::max_element(memory.begin(), memory.end(), [](const auto& a, const auto& b) {
                         return a.second < b.second;
                       })->first;
  int farthest = -1;
  for (const NumaNode& node : nodes) {
    const auto distance = node.distances.find(chosen.memory_node);
    const int far = distance == node.distances.end() ? 0 : distance->second;
    if (node.number == chosen.memory_node || node.cpus.empty() || far <= farthest) continue;
    farthest = far;
    chosen.cpu_node = node.number;
    chosen.cpus = node.cpus;
  }
  return chosen;
}

bool is_there(const Misplaced& rank, const ProcessAffinity& now) {
  return std::all_of(now.threads.begin(), now.threads.end(), [&](const ThreadAffinity& thread) {
    return std::includes(rank.cpus.begin(), rank.cpus.end(), thread.cpus.begin(), thread.cpus.end());
  });
}

/// Counts what the ranks computed while they were misplaced, which the kernel does not keep apart.
class Misplacement final : public Load {
 public:
  explicit Misplacement(std::vector<Misplaced> ranks) : ranks_(std::move(ranks)) {}

  Status start() override {
    for (const Misplaced& rank : ranks_) GRIT_CHECK(set_affinity(rank.before.process, rank.cpus));
    GRIT_TRY(since_on_cpu_ns_, on_cpu_ns());
    on_ = true;
    return {};
  }
  Status stop() override {
    GRIT_TRY(past_ns_, misplaced_ns());
    on_ = false;
    for (const Misplaced& rank : ranks_) GRIT_CHECK(restore_affinity(rank.before));
    return {};
  }
  Result<Reading> read_back() override { return read(); }
  Result<Json> counters() override {
    GRIT_TRY(const std::int64_t now_ns, misplaced_ns());
    return Json{{"misplaced_cpu_ns", now_ns}};
  }

 private:
  Result<Reading> read() const {
    Reading reading;
    for (const Misplaced& rank : ranks_) {
      const auto now = read_affinity(rank.before.process);
      if (!now) continue;  // it has ended
      reading.in_force = reading.in_force || is_there(rank, *now);
      reading.details[std::to_string(rank.before.process.pid)] = {
          {"cpus", to_list(now->threads.front().cpus)}, {"cpu_node", rank.cpu_node}, {"memory_node", rank.memory_node}};
    }
    return reading;
  }
  Result<std::int64_t> on_cpu_ns() const {
    std::int64_t sum_ns = 0;
    for (const Misplaced& rank : ranks_) {
      GRIT_TRY(const auto times, scheduler_times(rank.before.process));
      if (times) sum_ns += times->on_cpu_ns;
    }
    return sum_ns;
  }
  Result<std::int64_t> misplaced_ns() const {
    if (!on_) return past_ns_;
    GRIT_TRY(const Reading now, read());
    if (!now.in_force) return past_ns_;
    GRIT_TRY(const std::int64_t now_ns, on_cpu_ns());
    return past_ns_ + std::max<std::int64_t>(now_ns - since_on_cpu_ns_, 0);
  }

  std::vector<Misplaced> ranks_;
  bool on_ = false;
  std::int64_t since_on_cpu_ns_ = 0;
  std::int64_t past_ns_ = 0;
};

class NumaMisplacement final : public Injector {
 public:
  [[nodiscard]] const InjectorInfo& info() const override {
    static const InjectorInfo info{
        .name = "numa_misplacement",
        .summary = "Ranks run on the CPUs of another NUMA node than that of their memory",
        .params = {rank_param()},
        .mechanisms = {"affinity"},
        .needs = {"two NUMA nodes with CPUs that the ranks may use", "the right to set the affinity of the ranks"},
        .undo = UndoClass::persistent};
    return info;
  }

  [[nodiscard]] Result<std::string> resolve_device(const Node&, const Params&) const override { return std::string(); }
  [[nodiscard]] std::string mechanism(const Node&, const Params&) const override { return "affinity"; }

  [[nodiscard]] std::vector<Mechanism> mechanisms_here() const override {
    const auto nodes = usable_nodes();
    return {{"affinity", nodes ? std::nullopt : std::optional(nodes.error().message)}};
  }

  [[nodiscard]] std::optional<std::string> why_unavailable(const Target& target) const override {
    const auto tried = prepare(target);
    return tried ? std::nullopt : std::optional(tried.error().message);
  }

  [[nodiscard]] Result<Json> prepare(const Target& target) const override {
    GRIT_TRY(const auto nodes, usable_nodes());
    GRIT_TRY(const auto ranks, chosen_ranks(target));
    Json all = Json::array();
    for (const ProcessIdentity& rank : ranks) {
      GRIT_TRY(const Misplaced one, choose(nodes, rank));
      if (is_there(one, one.before))
        return unavailable_error(fmt::format("process {} runs on node {} already, its memory is on node {}", rank.pid,
                                             one.cpu_node, one.memory_node));
      all.push_back(to_json(one));
    }
    return Json{{"ranks", std::move(all)}};
  }

  [[nodiscard]] Result<std::unique_ptr<Load>> make_load(const Target&, const Json& record) const override {
    GRIT_TRY(auto ranks, undo_from_json(record));
    return std::make_unique<Misplacement>(std::move(ranks));
  }

  [[nodiscard]] Status apply(const Target&, const Json&) const override { return internal_error("a load is started"); }

  [[nodiscard]] Result<Reading> read_back(const Json& record) const override {
    GRIT_TRY(auto ranks, undo_from_json(record));
    return Misplacement(std::move(ranks)).read_back();
  }

  [[nodiscard]] Result<Json> counters(const Json&) const override { return Json::object(); }

  [[nodiscard]] bool acted(const Json& before, const Json& after) const override {
    return after.value("misplaced_cpu_ns", 0LL) > before.value("misplaced_cpu_ns", 0LL);
  }

  [[nodiscard]] Status revert(const Json& record) const override {
    GRIT_TRY(const auto ranks, undo_from_json(record));
    Status all;
    for (const Misplaced& rank : ranks)  // each of them, also when one cannot be mended
      if (auto one = restore_affinity(rank.before); !one && all) all = one;
    return all;
  }

  [[nodiscard]] Status check_undo(const Json& record) const override {
    auto undo = undo_from_json(record);
    return undo ? Status{} : tl::make_unexpected(undo.error());
  }

 private:
  static Result<std::vector<NumaNode>> usable_nodes() {
    GRIT_TRY(auto nodes, numa_nodes());
    const auto with_cpus =
        std::count_if(nodes.begin(), nodes.end(), [](const NumaNode& node) { return !node.cpus.empty(); });
    if (with_cpus < 2) return unavailable_error("this machine has one NUMA node: there is no other one to run on");
    return nodes;
  }
};

}  // namespace

const Injector& numa_misplacement() {
  static const NumaMisplacement injector;
  return injector;
}

}  // namespace grit
