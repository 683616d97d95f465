#include "analysis/records/step_graphs.hpp"

#include <algorithm>
#include <limits>

#include "harness/model/mesh_groups.hpp"

namespace grit {
namespace {

constexpr std::uint32_t kUnset = std::numeric_limits<std::uint32_t>::max();

/// The steps of a block that have records.
struct BlockSteps {
  std::uint32_t first = kUnset;  // StepRecord::step of step_in_block 0
  std::uint32_t count = 0;
};

struct Stretch {
  std::size_t block = 0;
  std::uint32_t first_step = 0;
  std::uint8_t steps = 0;
  std::uint32_t before = 0;                       // so many steps before it are of this block, up to two
  std::vector<std::vector<RankStretch>> ranks{};  // by step of it
  std::vector<std::vector<double>> storage_ns{};  // by step of it and rank, as StepGraph::storage_ns
  std::vector<CollectiveRecord> spans{};
};

/// Chooses the stretches, and gathers what belongs to them.
class Collector {
 public:
  Collector(const Plan& plan, const Mesh& mesh, const NodeClocks& clocks)
      : plan_(plan), mesh_(mesh), clocks_(clocks), blocks_(plan.blocks.size()) {
    node_of_.resize(static_cast<std::size_t>(mesh.ranks()), -1);
    for (std::size_t node = 0; node < plan.topology.nodes.size(); ++node)
      for (const int rank : plan.topology.nodes[node].ranks)
        if (rank >= 0 && static_cast<std::size_t>(rank) < node_of_.size())
          node_of_[static_cast<std::size_t>(rank)] = static_cast<std::int64_t>(node);
  }

  void choose(std::span<const StepRecord> records, std::size_t spans) {
    std::uint32_t steps = 0;  // of the run
    for (const StepRecord& record : records) {
      if (record.block >= blocks_.size() || record.step >= records.size() || record.step_in_block > record.step)
        continue;
      steps = std::max(steps, record.step + 1);
      BlockSteps& block = blocks_[record.block];
      block.first = std::min(block.first, record.step - record.step_in_block);
      block.count = std::max(block.count, record.step_in_block + 1);
    }
    stretch_of_step_.assign(steps + std::size_t{1}, kUnset);
    std::vector<std::size_t> of_pairs;
    for (std::size_t i = 0; i < blocks_.size(); ++i) {
      const Block& block = plan_.blocks[i];
      if (block.pair >= 0 && (block.kind == BlockKind::baseline || block.kind == BlockKind::fault))
        of_pairs.push_back(i);
    }
    if (steps == 0 || of_pairs.empty() || spans == 0) return;
    const std::size_t in_all = std::max<std::size_t>(kMostSpans / std::max<std::size_t>(spans / steps, 1), 1);
    if (of_pairs.size() > in_all) of_pairs.resize(in_all);
    for (const std::size_t block : of_pairs)
      choose_of(block, std::min(in_all / of_pairs.size(), kStretches * kStretchSteps));
  }

  void take(std::span<const StepRecord> records) {
    for (const StepRecord& record : records) {
      add_storage(record, record.step, record.input_ns);
      if (record.step < kUnset) add_storage(record, record.step + 1, record.checkpoint_ns);
      const std::uint32_t index = stretch_at(record.step);
      if (index == kUnset || record.rank >= node_of_.size()) continue;
      Stretch& stretch = stretches_[index];
      if (record.block != stretch.block) continue;
      RankStretch& rank = stretch.ranks[record.step - stretch.first_step][record.rank];
      rank.start_ns = record.start_ns, rank.end_ns = record.end_ns;
      const auto aligned = clocks_.align(node_of_[record.rank], record.start_ns);
      rank.known = aligned && rank.start_ns > 0 && rank.end_ns > rank.start_ns;
      if (aligned) rank.shift_ns = aligned->t_ns - record.start_ns;
    }
  }

  void take(std::span<const CollectiveRecord> spans) {
    for (const CollectiveRecord& span : spans) {
      std::uint32_t last = kUnset;
      for (const std::uint32_t after : {0U, 1U, 2U}) {
        const std::uint32_t index = span.step < kUnset - 2 ? stretch_at(span.step + after) : kUnset;
        if (index == kUnset || index == last) continue;
        last = index;
        Stretch& stretch = stretches_[index];
        if (span.step + stretch.before >= stretch.first_step) stretch.spans.push_back(span);
      }
    }
  }

  std::vector<BlockGraphs> finish() {
    std::vector<BlockGraphs> result(blocks_.size());
    for (const RecordedGroup& group : recorded_groups(mesh_).list)
      group_sizes_.push_back(static_cast<std::uint32_t>(group.members.size()));
    for (Stretch& stretch : stretches_) {
      result[stretch.block].chosen += stretch.steps;
      add_graphs(stretch, stretch.spans, 0, stretch.steps, result[stretch.block]);
      stretch = {};
    }
    return result;
  }

 private:
  [[nodiscard]] std::uint32_t stretch_at(std::uint32_t step) const {
    return step < stretch_of_step_.size() ? stretch_of_step_[step] : kUnset;
  }

  /// To the works of that step, if it is looked at.
  void add_storage(const StepRecord& record, std::uint32_t step, std::int64_t storage_ns) {
    const std::uint32_t index = stretch_at(step);
    if (index == kUnset || record.rank >= node_of_.size() || record.block != stretches_[index].block) return;
    stretches_[index].storage_ns[step - stretches_[index].first_step][record.rank] +=
        static_cast<double>(std::max<std::int64_t>(storage_ns, 0));
  }

  /// Of these steps of a stretch; where they lack something, of each half of them. `spans`: as of make_step_graph().
  void add_graphs(const Stretch& stretch, std::span<const CollectiveRecord> spans, std::uint8_t first,
                  std::uint8_t steps, BlockGraphs& to) const {
    std::vector<RankStretch> ranks = stretch.ranks[first];
    for (std::size_t rank = 0; rank < ranks.size(); ++rank) {
      const RankStretch& last = stretch.ranks[first + steps - std::size_t{1}][rank];
      ranks[rank].end_ns = last.end_ns;
      ranks[rank].known = ranks[rank].known && last.known;
    }
    if (auto graph = make_step_graph(spans, ranks, group_sizes_, stretch.first_step + first, steps)) {
      to.whole += steps;
      for (std::size_t rank = 0; rank < ranks.size(); ++rank)
        for (std::size_t step = first; step < std::size_t{first} + steps; ++step)
          graph->storage_ns.push_back(static_cast<float>(stretch.storage_ns[step][rank]));
      to.graphs.push_back(std::move(*graph));
      return;
    }
    if (steps == 1) return;
    const auto half = static_cast<std::uint8_t>(steps / 2);
    for (const std::uint8_t from : {first, static_cast<std::uint8_t>(first + half)}) {
      const std::uint32_t begin = stretch.first_step + from;
      const std::uint32_t length = from == first ? half : steps - half;
      std::vector<CollectiveRecord> some;
      for (const CollectiveRecord& span : spans)
        if (span.step + 2 >= begin && span.step < begin + length) some.push_back(span);
      add_graphs(stretch, some, from, static_cast<std::uint8_t>(length), to);
    }
  }

  void choose_of(std::size_t block, std::size_t steps) {
    const auto settle = static_cast<std::uint32_t>(std::max<std::int64_t>(plan_.design.settle_steps, 0));
    if (blocks_[block].count <= settle) return;
    const std::size_t measured = blocks_[block].count - settle;
    const std::size_t length = std::min({kStretchSteps, steps, measured});
    const std::size_t count = std::min({kStretches, steps / length, measured / length});
    for (std::size_t i = 0; i < count; ++i) {
      const auto in_block = static_cast<std::uint32_t>(settle + i * measured / count);
      Stretch& stretch = stretches_.emplace_back();
      stretch.block = block;
      stretch.first_step = blocks_[block].first + in_block;
      stretch.steps = static_cast<std::uint8_t>(length);
      stretch.before = std::min(in_block, std::uint32_t{2});
      stretch.ranks.assign(length, std::vector<RankStretch>(node_of_.size()));
      stretch.storage_ns.assign(length, std::vector<double>(node_of_.size(), 0.0));
      for (std::uint32_t step = 0; step < length; ++step)
        if (const std::size_t at = stretch.first_step + step; at < stretch_of_step_.size())
          stretch_of_step_[at] = static_cast<std::uint32_t>(stretches_.size() - 1);
    }
  }

  const Plan& plan_;
  const Mesh& mesh_;
  const NodeClocks& clocks_;
  std::vector<BlockSteps> blocks_;                // by Block::index
  std::vector<std::int64_t> node_of_{};           // by rank
  std::vector<std::uint32_t> stretch_of_step_{};  // by StepRecord::step
  std::vector<Stretch> stretches_{};
  std::vector<std::uint32_t> group_sizes_{};  // by CollectiveRecord::group
};

}  // namespace

std::vector<BlockGraphs> step_graphs(const Plan& plan, const Mesh& mesh, std::span<const StepRecord> records,
                                     std::span<const CollectiveRecord> spans, const NodeClocks& clocks) {
  Collector collector(plan, mesh, clocks);
  collector.choose(records, spans.size());
  collector.take(records);
  collector.take(spans);
  return collector.finish();
}

}  // namespace grit
