// Step records and spans of a simulated job on a mesh: 1F1B pipeline stages, tensor groups that sum after every layer,
// experts between all-to-alls, gradients summed over dp. Every rank goes through its own list of works, beginnings and
// waits; who waits for whom comes from these alone. It shares no code with the graphs of the analysis.
#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <random>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "harness/model/collective_record.hpp"
#include "harness/model/mesh.hpp"
#include "harness/model/plan.hpp"
#include "harness/model/step_record.hpp"

namespace grit::testing {

struct MeshShape {
  AxisValues sizes{};
  int ranks = 8, ranks_per_node = 1, pairs = 8, steps = 12, micro_batches = 4, layers = 2;
  double noise = 0.02;         // of every piece of work, standard deviation as a share
  double block_noise = 0;      // of all of a rank's work in a block together
  double stalls = 0;           // share of steps in which a rank stalls: Pareto's tail with index 1.5, infinite variance
  double router_noise = 0.1;   // of the tokens of each expert in each layer
  double uneven_stages = 0.2;  // by so much more the last stage works than the first
  std::vector<std::int64_t> clock_offset_ns{};  // by node; empty: none
  double clock_error_ns = 0;                    // standard deviation of what nobody has measured of each node's clock
  double lost_spans = 0;                        // share
};

/// What is wrong in fault blocks.
struct MeshHarm {
  std::function<double(int rank, int step)> factor{};               // of its forward and backward work
  std::function<double(int rank, int step)> stall_ns{};             // before one of its micro-batches
  std::function<double(int rank, int step)> input_ns{};             // by which it waits longer for its batch
  std::function<double(int rank, int step)> checkpoint_ns{};        // that it writes a checkpoint for
  std::function<double(const std::vector<int>& ranks)> transfer{};  // factor of an operation of these ranks
  double imbalance = 0;  // by which share the first expert of each group gets more tokens
  bool rotates = false;  // another expert in each layer, instead of the first
};

class SimulatedMesh {
 public:
  explicit SimulatedMesh(MeshShape shape, std::uint64_t seed = 1)
      : mesh(Mesh::over(shape.sizes, shape.ranks).value()), shape_(std::move(shape)), random_(seed) {
    plan.scenario_name = "simulated";
    plan.topology.local_cluster = shape_.clock_offset_ns.empty();
    plan.workload = {"ddp", {{"compute", "emulated"}}};
    plan.mesh = mesh;
    for (int rank = 0; rank < shape_.ranks; ++rank) {
      const int node = rank / shape_.ranks_per_node;
      if (rank % shape_.ranks_per_node == 0) {
        plan.topology.nodes.emplace_back();
        plan.topology.nodes.back().index = node;
        plan.topology.nodes.back().name = "node" + std::to_string(node);
      }
      plan.topology.nodes.back().ranks.push_back(rank);
    }
    plan.design.pairs = shape_.pairs;
    plan.design.block_steps = shape_.steps;
    plan.design.settle_steps = 0;
    for (int pair = 0; pair < shape_.pairs; ++pair) {
      pairs.push_back(pair);
      for (const bool fault : {pair % 3 == 1, pair % 3 != 1})
        plan.blocks.push_back(
            {static_cast<int>(plan.blocks.size()), pair, fault ? BlockKind::fault : BlockKind::baseline});
    }
    // As the run numbers them: all ranks, then the groups of each axis.
    std::uint16_t next = 1;
    for (const Axis axis : mesh.axes())
      for (const std::vector<int>& group : mesh.groups(axis)) {
        for (const int rank : group) group_of_[{axis, rank}] = next;
        ++next;
      }
  }

  void run(const MeshHarm& harm = {}) {
    ranks_.resize(static_cast<std::size_t>(shape_.ranks));
    for (const Block& block : plan.blocks) {
      std::int64_t latest_ns = 1'000'000'000'000;
      for (const Rank& rank : ranks_) latest_ns = std::max(latest_ns, rank.now_ns);
      for (Rank& rank : ranks_) rank.now_ns = latest_ns + 1'000'000, rank.of_block = 1 + shape_.block_noise * normal();
      harm_ = block.kind == BlockKind::fault ? harm : MeshHarm{};
      for (int step = 0; step < shape_.steps; ++step) one_step(block, step);
    }
    for (std::size_t i = 0; i < shape_.clock_offset_ns.size(); ++i) shift_clock(i, shape_.clock_offset_ns[i]);
    if (shape_.clock_error_ns > 0)
      for (std::size_t i = 0; i < plan.topology.nodes.size(); ++i)
        shift_clock(i, static_cast<std::int64_t>(shape_.clock_error_ns * normal()));
    if (shape_.lost_spans > 0)
      std::erase_if(spans, [&](const CollectiveRecord&) { return uniform() < shape_.lost_spans; });
  }

  [[nodiscard]] int node_of(int rank) const { return rank / shape_.ranks_per_node; }
  [[nodiscard]] int nodes() const { return static_cast<int>(plan.topology.nodes.size()); }

  Mesh mesh;
  Plan plan{};
  std::vector<StepRecord> records{};
  std::vector<CollectiveRecord> spans{};
  std::vector<Json> events{};
  std::vector<int> pairs{};

 private:
  /// group, from, to, sequence
  using Key = std::tuple<std::uint16_t, int, int, std::uint32_t>;
  struct Item {
    enum { work, begin, wait } kind = work;
    std::int64_t StepRecord::*phase = nullptr;  // work
    double work_ns = 0;
    std::size_t operation = 0;  // begin and wait: which one of the rank's in this step
    CollectiveRecord span{};    // begin
    double transfer_ns = 0;
  };
  struct Rank {
    std::int64_t now_ns = 0;
    double of_block = 1;
    std::vector<Item> items{};
    std::size_t next = 0;
    std::vector<std::size_t> spans{};  // of this step, by operation
    std::size_t operations = 0;
    std::size_t record = 0;
  };
  struct Operation {
    std::size_t members = 0, begun = 0;
    double latest_ns = 0, transfer_ns = 0;
  };

  double normal() { return normal_(random_); }
  double uniform() { return uniform_(random_); }

  void shift_clock(std::size_t node, std::int64_t by_ns) {
    for (StepRecord& record : records)
      if (record.node == node)
        for (std::int64_t* time :
             {&record.start_ns, &record.end_ns, &record.collective_entry_ns, &record.collective_exit_ns})
          *time += by_ns;
    for (CollectiveRecord& span : spans)
      if (static_cast<std::size_t>(node_of(static_cast<int>(span.rank))) == node) {
        span.entry_ns += by_ns, span.exit_ns += by_ns;
        if (span.wait_ns > 0) span.wait_ns += by_ns;
      }
  }

  // The schedule of one rank in one step.

  void work(Rank& rank, std::int64_t StepRecord::*phase, double work_ns) {
    rank.items.push_back(
        {.phase = phase, .work_ns = work_ns * rank.of_block * std::max(0.2, 1 + shape_.noise * normal())});
  }

  std::size_t begin(Rank& rank, int self, CollectiveOperation operation, Axis axis, std::int64_t bytes,
                    double transfer_ns, int peer = -1) {
    Item item{.kind = Item::begin, .operation = rank.operations++, .transfer_ns = transfer_ns};
    item.span = {.rank = static_cast<std::uint32_t>(self),
                 .step = step_,
                 .peer = peer,
                 .group = group_of_.at({axis, self}),
                 .operation = operation,
                 .bytes = bytes};
    const bool sends = operation == CollectiveOperation::send;
    const auto from_to = peer < 0 ? std::pair(-1, -1) : sends ? std::pair(self, peer) : std::pair(peer, self);
    item.span.sequence = next_of_[{self, item.span.group, from_to.first, from_to.second}]++;
    rank.items.push_back(item);
    return item.operation;
  }
  void wait(Rank& rank, std::size_t operation) { rank.items.push_back({.kind = Item::wait, .operation = operation}); }
  void collective(Rank& rank, int self, CollectiveOperation operation, Axis axis, std::int64_t bytes,
                  double transfer_ns) {
    if (mesh.size(axis) > 1) wait(rank, begin(rank, self, operation, axis, bytes, transfer_ns));
  }

  /// Tokens of the experts of this rank's group in relation to the mean: the same for all its ranks in one call.
  const std::vector<double>& tokens(int self, int call) {
    const std::uint16_t group = group_of_.at({Axis::ep, self});
    std::vector<double>& shares = tokens_[{group, call}];
    if (!shares.empty()) return shares;
    const int experts = mesh.size(Axis::ep);
    double sum = 0;
    for (int expert = 0; expert < experts; ++expert) {
      const double wanted =
          expert == (harm_.rotates ? call % experts : 0) ? 1 + harm_.imbalance : 1 - harm_.imbalance / (experts - 1);
      shares.push_back(std::max(0.1, wanted * (1 + shape_.router_noise * normal())));
      sum += shares.back();
    }
    for (double& share : shares) share *= experts / sum;
    return shares;
  }

  /// One pass through this rank's layers of a micro-batch.
  void layers(Rank& rank, int self, std::int64_t StepRecord::*phase, double layer_ns, int& call) {
    const int stages = mesh.size(Axis::pp);
    const double of_stage =
        stages == 1 ? 1 : 1 + shape_.uneven_stages * mesh.coordinate(self, Axis::pp) / (stages - 1.0);
    const double factor = of_stage * (harm_.factor ? harm_.factor(self, static_cast<int>(step_in_block_)) : 1);
    for (int layer = 0; layer < shape_.layers; ++layer, ++call) {
      if (mesh.size(Axis::ep) == 1) {
        work(rank, phase, layer_ns * factor);
      } else {
        const std::vector<double>& shares = tokens(self, call);
        const double share = shares[static_cast<std::size_t>(mesh.coordinate(self, Axis::ep))];
        const double transfer_ns = 0.4e6 * *std::max_element(shares.begin(), shares.end());
        work(rank, phase, 0.6 * layer_ns * factor);
        collective(rank, self, CollectiveOperation::all_to_all, Axis::ep, 1 << 20, transfer_ns);
        work(rank, phase, 0.4 * layer_ns * factor * share);
        collective(rank, self, CollectiveOperation::all_to_all, Axis::ep, static_cast<std::int64_t>(share * (1 << 20)),
                   transfer_ns);
      }
      collective(rank, self, CollectiveOperation::all_reduce, Axis::tp, 4 << 20, 0.3e6);
    }
  }

  void schedule(Rank& rank, int self) {
    const int stage = mesh.coordinate(self, Axis::pp), stages = mesh.size(Axis::pp);
    const std::vector<int> pipeline = mesh.group(self, Axis::pp);
    const int before = stage > 0 ? pipeline[static_cast<std::size_t>(stage) - 1] : -1;
    const int after = stage + 1 < stages ? pipeline[static_cast<std::size_t>(stage) + 1] : -1;
    std::vector<std::size_t> sent;
    const auto receive = [&](int peer) {
      if (peer >= 0) wait(rank, begin(rank, self, CollectiveOperation::receive, Axis::pp, 2 << 20, 0.3e6, peer));
    };
    const auto send = [&](int peer) {
      if (peer >= 0) sent.push_back(begin(rank, self, CollectiveOperation::send, Axis::pp, 2 << 20, 0.3e6, peer));
    };
    int call = 0, batch = 0;
    double stall_ns = harm_.stall_ns ? harm_.stall_ns(self, static_cast<int>(step_in_block_)) : 0;
    if (shape_.stalls > 0 && uniform() < shape_.stalls)
      stall_ns += 8e6 * std::min(std::pow(1 - uniform(), -1 / 1.5), 1e3);
    const int stalls_at = static_cast<int>(uniform() * shape_.micro_batches);
    const auto forward = [&] {
      if (batch++ == stalls_at && stall_ns > 0)
        rank.items.push_back({.phase = &StepRecord::forward_ns, .work_ns = stall_ns});
      receive(before), layers(rank, self, &StepRecord::forward_ns, 2e6, call), send(after);
    };
    const auto backward = [&] {
      receive(after), layers(rank, self, &StepRecord::backward_ns, 4e6, call), send(before);
    };
    const int step = static_cast<int>(step_in_block_);
    work(rank, &StepRecord::input_ns, 1e6);
    if (harm_.input_ns) rank.items.push_back({.phase = &StepRecord::input_ns, .work_ns = harm_.input_ns(self, step)});
    const int ahead = std::min(stages - 1 - stage, shape_.micro_batches);
    for (int i = 0; i < ahead; ++i) forward();
    for (int i = ahead; i < shape_.micro_batches; ++i) forward(), backward();
    for (int i = 0; i < ahead; ++i) backward();
    for (const std::size_t operation : sent) wait(rank, operation);
    collective(rank, self, CollectiveOperation::all_reduce, Axis::dp, 64 << 20, 6e6);
    work(rank, &StepRecord::optimizer_ns, 3e6);
    if (harm_.checkpoint_ns)
      rank.items.push_back({.phase = &StepRecord::checkpoint_ns, .work_ns = harm_.checkpoint_ns(self, step)});
  }

  // Playing it.

  void one_step(const Block& block, int step) {
    step_in_block_ = static_cast<std::uint32_t>(step);
    for (int self = 0; self < shape_.ranks; ++self) {
      Rank& rank = ranks_[static_cast<std::size_t>(self)];
      rank.items.clear(), rank.spans.clear();
      rank.next = rank.operations = 0;
      schedule(rank, self);
      rank.record = records.size();
      StepRecord& record = records.emplace_back();
      record.rank = static_cast<std::uint32_t>(self);
      record.node = static_cast<std::uint32_t>(node_of(self));
      record.block = static_cast<std::uint32_t>(block.index);
      record.step = step_;
      record.step_in_block = step_in_block_;
      record.start_ns = rank.now_ns;
    }
    for (bool moved = true; moved;) {
      moved = false;
      for (Rank& rank : ranks_)
        while (rank.next < rank.items.size() && does_next(rank)) moved = true;
    }
    for (Rank& rank : ranks_) {
      StepRecord& record = records[rank.record];
      record.end_ns = rank.now_ns;
      // Whatever nobody waited for is over some time.
      for (const std::size_t span : rank.spans)
        if (spans[span].exit_ns == 0) spans[span].exit_ns = over_ns(spans[span]);
      record.collective_entry_ns = rank.spans.empty() ? record.start_ns : spans[rank.spans.front()].entry_ns;
      record.collective_exit_ns = rank.spans.empty() ? record.start_ns : spans[rank.spans.back()].exit_ns;
    }
    open_.clear();
    tokens_.clear();
    ++step_;
  }

  static Key key_of_span(const CollectiveRecord& span) {
    const int self = static_cast<int>(span.rank);
    if (span.peer < 0) return {span.group, -1, -1, span.sequence};
    return span.operation == CollectiveOperation::send ? Key{span.group, self, span.peer, span.sequence}
                                                       : Key{span.group, span.peer, self, span.sequence};
  }
  [[nodiscard]] std::int64_t over_ns(const CollectiveRecord& span) const {
    const Operation& operation = open_.at(key_of_span(span));
    return static_cast<std::int64_t>(operation.latest_ns + operation.transfer_ns);
  }

  /// False: it must wait for others.
  bool does_next(Rank& rank) {
    Item& item = rank.items[rank.next];
    StepRecord& record = records[rank.record];
    if (item.kind == Item::work) {
      const auto work_ns = static_cast<std::int64_t>(item.work_ns);
      rank.now_ns += work_ns;
      record.*item.phase += work_ns;
    } else if (item.kind == Item::begin) {
      item.span.entry_ns = rank.now_ns;
      Operation& operation = open_[key_of_span(item.span)];
      if (operation.begun++ == 0) {
        std::vector<int> ranks{static_cast<int>(item.span.rank), item.span.peer};
        if (item.span.peer < 0) ranks = members_of(item.span);
        operation.members = ranks.size();
        const double harm = harm_.transfer ? harm_.transfer(ranks) : 1;
        operation.transfer_ns = item.transfer_ns * harm * std::max(0.2, 1 + 2 * shape_.noise * normal());
      }
      operation.latest_ns = std::max(operation.latest_ns, static_cast<double>(rank.now_ns));
      rank.spans.push_back(spans.size());
      spans.push_back(item.span);
    } else {
      CollectiveRecord& span = spans[rank.spans[item.operation]];
      const Operation& operation = open_.at(key_of_span(span));
      if (operation.begun < operation.members) return false;
      span.exit_ns = over_ns(span);
      if (span.exit_ns > rank.now_ns) {
        span.wait_ns = rank.now_ns;
        record.exposed_comm_ns += span.exit_ns - rank.now_ns;
        rank.now_ns = span.exit_ns;
      }
    }
    ++rank.next;
    return true;
  }

  [[nodiscard]] std::vector<int> members_of(const CollectiveRecord& span) const {
    const int self = static_cast<int>(span.rank);
    for (const Axis axis : mesh.axes())
      if (group_of_.at({axis, self}) == span.group) return mesh.group(self, axis);
    return {};
  }

  MeshShape shape_;
  std::mt19937_64 random_;
  std::normal_distribution<double> normal_{0, 1};
  std::uniform_real_distribution<double> uniform_{0, 1};
  std::map<std::pair<Axis, int>, std::uint16_t> group_of_{};                     // by axis and rank
  std::map<std::tuple<int, std::uint16_t, int, int>, std::uint32_t> next_of_{};  // sequences, by rank, group, from, to
  std::vector<Rank> ranks_{};
  std::map<Key, Operation> open_{};
  std::map<std::pair<std::uint16_t, int>, std::vector<double>> tokens_{};  // of this step, by group and call
  MeshHarm harm_{};
  std::uint32_t step_ = 0, step_in_block_ = 0;
};

}  // namespace grit::testing
