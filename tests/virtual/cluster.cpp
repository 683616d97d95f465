#include "tests/virtual/cluster.hpp"

#include <algorithm>
#include <cmath>

#include "analysis/report/finish.hpp"
#include "harness/model/event.hpp"
#include "tests/catch.hpp"

namespace grit::testing {
namespace {

constexpr double kInput_ns = 1e6, kForward_ns = 9e6, kBackward_ns = 17e6, kOptimizer_ns = 3e6, kCollective_ns = 10e6;
static_assert(kInput_ns + kForward_ns + kBackward_ns + kOptimizer_ns + kCollective_ns == kVirtualStep_ns);
constexpr std::int64_t kTurn_ns = 500 * kNsPerMs;  // of observers and recorder
constexpr std::int64_t kBetweenBlocks_ns = 20 * kNsPerMs;
constexpr std::int64_t kLinkEntry_ns = 100 * kNsPerMs;  // of a link test
constexpr std::int64_t kNever_ns = std::numeric_limits<std::int64_t>::max();

Recorder open_recorder(const std::filesystem::path& directory, int nodes) {
  auto recorder = Recorder::open(directory, {"virtual"}, {}, nodes);
  REQUIRE(recorder.has_value());
  return std::move(*recorder);
}

}  // namespace

VirtualCluster::VirtualCluster(const VirtualSetting& setting, const Plan& plan, const std::filesystem::path& directory)
    : setting_(setting),
      plan_(plan),
      directory_(directory),
      recorder_(open_recorder(directory, static_cast<int>(plan.topology.nodes.size()))),
      random_(setting.seed) {
  board_.make_idle(setting.idle_fault);
  for (const Node& node : plan.topology.nodes) {
    nodes_.push_back(std::make_unique<VirtualNode>(plan, node.index, directory, wire_, board_));
    for (RankSlot& slot : nodes_.back()->slots())
      ranks_.push_back({.number = slot.rank, .node = node.index, .slot = &slot});
  }
  next_turn_ns_ = monotonic_ns();
}

/// Sums and differences of exact numbers alone, so that it is the same on every machine: the sum of twelve uniform ones
/// has variance 1.
double VirtualCluster::noisy(double value) {
  double z = -6;
  for (int i = 0; i < 12; ++i) z += static_cast<double>(random_() >> 11) * 0x1p-53;
  return value * std::max(0.2, 1 + setting_.noise * z);
}

void VirtualCluster::run() {
  Json started = make_event("run", 0);
  started["state"] = "started";
  nodes_[0]->emit(started);
  for (const Block& block : plan_.blocks) {
    if (recorder_.cause() || !goes_on(block)) break;
    run_block(block);
  }
  for (Rank& rank : ranks_) rank.slot->end = RankEnd::finished;
  Json over = make_event("run", 0);
  over["state"] = ended_.empty() ? "finished" : "ended early";
  if (!has_vanished(0)) nodes_[0]->emit(over);
  for (const auto& node : nodes_)
    if (!has_vanished(static_cast<int>(&node - nodes_.data()))) node->say_goodbye();
  for (int i = 0; i < 100 && !recorder_.is_over(); ++i) pass_until(monotonic_ns() + kTurn_ns);
  CHECK(recorder_.is_over());
  recorder_.finish();
}

/// As harness/run/rank_loop.cpp.
bool VirtualCluster::goes_on(const Block& block) {
  const auto look = look_before(plan_, block.index);
  if (!look) return true;
  const auto clear = is_clear_before(directory_, block.index);
  REQUIRE(clear.has_value());
  Json event = make_event("look", 0);
  event["block"] = block.index;
  event["look"] = *look;
  event["pairs"] = block.pair;
  event["decision"] = *clear ? "stop" : "go_on";
  auto events = EventsWriter::open(directory_ / "events.jsonl");
  REQUIRE(events.has_value());
  REQUIRE(events->append(event).has_value());
  return !*clear;
}

void VirtualCluster::run_block(const Block& block) {
  block_ = block;
  for (const auto& node : nodes_) node->arm(block);
  pass_until(monotonic_ns() + kBetweenBlocks_ns);
  block_began_ns_ = monotonic_ns();
  last_step_.reset();
  for (std::size_t i = 0; i < nodes_.size(); ++i) nodes_[i]->begin_block(usage_of(static_cast<int>(i)));
  if (is_link_test(block.kind)) {
    test_links(block);
  } else {
    for (Rank& rank : ranks_) rank.record = {}, begin_step(rank);
    while (in_block() && ended_.size() + vanished_.size() < nodes_.size()) pass_until(next_event_ns());
  }
  if (recorder_.cause()) return;
  for (std::size_t i = 0; i < nodes_.size(); ++i) nodes_[i]->end_block(usage_of(static_cast<int>(i)));
  turn();
}

bool VirtualCluster::in_block() const {
  return std::any_of(ranks_.begin(), ranks_.end(),
                     [](const Rank& rank) { return rank.phase != Phase::between_blocks; });
}

void VirtualCluster::begin_step(Rank& rank) {
  const std::uint32_t in_block = rank.record.end_ns == 0 ? 0 : rank.record.step_in_block + 1;
  rank.record = {};
  rank.record.rank = static_cast<std::uint32_t>(rank.number);
  rank.record.node = static_cast<std::uint32_t>(rank.node);
  rank.record.block = static_cast<std::uint32_t>(block_.index);
  rank.record.step = step_;
  rank.record.step_in_block = in_block;
  rank.record.start_ns = monotonic_ns();
  rank.slot->step_in_block = in_block;
  const Design& design = plan_.design;
  const std::int64_t length_ns = block_.kind == BlockKind::recovery ? design.recovery_ns : design.block_ns;
  // As harness/run/rank_loop.cpp: by counting, or so many steps after rank 0 has seen that the block's time is over.
  if (block_.kind == BlockKind::warmup)
    rank.last_step = in_block + 1 >= design.warmup_steps;
  else if (block_.kind != BlockKind::recovery && design.block_steps > 0)
    rank.last_step = in_block + 1 >= design.block_steps;
  else {
    const bool over = in_block >= design.settle_steps && monotonic_ns() - block_began_ns_ >= length_ns;
    if (rank.number == 0 && over && !last_step_) last_step_ = step_ + kEndAhead_steps - 1;
    rank.last_step = step_ == last_step_;
  }
  enter(rank, Phase::input, noisy(kInput_ns));
}

void VirtualCluster::enter(Rank& rank, Phase phase, double work_ns) {
  rank.phase = phase;
  rank.slot->phase = static_cast<std::uint32_t>(phase);
  rank.left_ns = work_ns;
  rank.phase_began_ns = monotonic_ns();
}

/// Its work is done.
void VirtualCluster::leave_phase(Rank& rank) {
  const std::int64_t now_ns = monotonic_ns(), took_ns = now_ns - rank.phase_began_ns;
  StepRecord& record = rank.record;
  switch (rank.phase) {
    case Phase::input: {
      record.input_ns = took_ns;
      double delay_ns = 0;
      for (VirtualFault& fault : board_.faults())
        if (fault.on && !fault.idle && fault.name == "rank_delay" && fault.node == rank.node)
          delay_ns += static_cast<double>(fault.params.integer("delay")), ++fault.acts;
      return enter(rank, Phase::forward, noisy(kForward_ns) + delay_ns);
    }
    case Phase::forward:
      record.forward_ns = took_ns;
      return enter(rank, Phase::backward, noisy(kBackward_ns));
    case Phase::backward:
      record.backward_ns = took_ns;
      record.collective_entry_ns = now_ns;
      enter(rank, Phase::exposed_comm, 0);
      if (all_arrived()) collective_left_ns_ = noisy(kCollective_ns);
      return;
    case Phase::optimizer:
      record.optimizer_ns = took_ns;
      record.end_ns = now_ns;
      rank.slot->steps.push(record);
      if (!rank.last_step) return begin_step(rank);
      rank.phase = Phase::between_blocks;
      rank.slot->phase = static_cast<std::uint32_t>(Phase::between_blocks);
      return;
    default:
      return;
  }
}

bool VirtualCluster::all_arrived() const {
  return std::all_of(ranks_.begin(), ranks_.end(),
                     [](const Rank& rank) { return !rank.dead && rank.phase == Phase::exposed_comm; });
}

void VirtualCluster::leave_collective() {
  collective_left_ns_ = -1;
  ++step_;
  for (Rank& rank : ranks_) {
    rank.record.exposed_comm_ns = monotonic_ns() - rank.phase_began_ns;
    rank.record.collective_exit_ns = monotonic_ns();
    enter(rank, Phase::optimizer, noisy(kOptimizer_ns));
  }
}

/// Work per time. 0: it stands still, or only waits.
double VirtualCluster::rate(const Rank& rank) {
  if (rank.phase == Phase::exposed_comm || rank.phase == Phase::between_blocks || rank.dead || is_stopped(rank))
    return 0;
  double rate = rank.node == setting_.slow_node ? 1 / setting_.slow_times : 1;
  for (VirtualFault& fault : board_.faults())
    if (fault.on && !fault.idle && fault.name == "gpu_throttle" && fault.node == rank.node &&
        (rank.phase == Phase::forward || rank.phase == Phase::backward))
      rate *= fault.params.number("clock"), ++fault.acts;
  return rate;
}

double VirtualCluster::collective_rate() {
  const auto node_is_open = [this](const auto& node) { return link_is_up(static_cast<int>(&node - nodes_.data())); };
  if (!std::all_of(nodes_.begin(), nodes_.end(), node_is_open)) return 0;
  if (std::any_of(ranks_.begin(), ranks_.end(), [this](const Rank& rank) { return is_stopped(rank); })) return 0;
  for (std::size_t a = 0; a < nodes_.size(); ++a)
    for (std::size_t b = a + 1; b < nodes_.size(); ++b)
      if (!path_is_open(static_cast<int>(a), static_cast<int>(b))) return 0;
  return monotonic_ns() < aftermath_until_ns_ ? 0.5 : 1;
}

// --- time

std::int64_t VirtualCluster::next_event_ns() {
  const std::int64_t now_ns = monotonic_ns();
  std::int64_t next_ns = next_turn_ns_;
  const auto after = [&](double left_ns, double speed) {
    if (speed > 0)
      next_ns =
          std::min(next_ns, now_ns + std::max<std::int64_t>(static_cast<std::int64_t>(std::ceil(left_ns / speed)), 0));
  };
  for (const Rank& rank : ranks_) after(rank.left_ns, rate(rank));
  if (collective_left_ns_ >= 0) after(collective_left_ns_, collective_rate());
  for (std::size_t i = 0; i < nodes_.size(); ++i)
    if (!has_vanished(static_cast<int>(i)))
      next_ns = std::min(next_ns, nodes_[i]->windows().next_action_ns().value_or(kNever_ns));
  if (now_ns < aftermath_until_ns_) next_ns = std::min(next_ns, aftermath_until_ns_);
  const auto& loss = setting_.loss;
  if (loss && loss->block == block_.index && !has_vanished(loss->node))
    next_ns = std::min(next_ns, std::max(now_ns, block_began_ns_ + loss->after_ns));
  return std::max(next_ns, now_ns);
}

/// Nothing else happens until then.
void VirtualCluster::pass_until(std::int64_t when_ns) {
  const std::int64_t passed_ns = when_ns - monotonic_ns();
  std::vector<Rank*> done;
  for (Rank& rank : ranks_) {
    const double speed = rate(rank);
    rank.left_ns -= static_cast<double>(passed_ns) * speed;
    // Forward and backward passes are the accelerator's.
    if (speed > 0 && (rank.phase == Phase::input || rank.phase == Phase::optimizer)) rank.cpu_ns += passed_ns;
    if (is_stopped(rank)) rank.stopped_ns += passed_ns;
    if (speed > 0 && rank.left_ns <= 0) done.push_back(&rank);
  }
  bool exchanged = false;
  if (collective_left_ns_ >= 0) {
    const double speed = collective_rate();
    collective_left_ns_ -= static_cast<double>(passed_ns) * speed;
    exchanged = speed > 0 && collective_left_ns_ <= 0;
    if (!exchanged) collective_left_ns_ = std::max(collective_left_ns_, 0.0);
  }
  VirtualClock::advance_to(when_ns);
  for (Rank* rank : done) leave_phase(*rank);
  if (exchanged) leave_collective();
  turn();
}

void VirtualCluster::turn() {
  const std::int64_t now_ns = monotonic_ns();
  const auto& loss = setting_.loss;
  if (loss && loss->block == block_.index && now_ns >= block_began_ns_ + loss->after_ns && block_began_ns_ != 0 &&
      vanished_.insert(loss->node).second) {
    wire_.cut(loss->node);
    for (Rank& rank : ranks_) rank.dead = rank.dead || rank.node == loss->node;
  }
  for (std::size_t i = 0; i < nodes_.size(); ++i)
    if (!has_vanished(static_cast<int>(i))) nodes_[i]->act();
  kill_ranks();
  note_aftermath();
  if (now_ns >= next_turn_ns_) {
    next_turn_ns_ = now_ns + kTurn_ns;
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
      const int node = static_cast<int>(i);
      if (has_vanished(node) || ended_.contains(node)) continue;
      std::set<int> stopped;
      for (const Rank& rank : ranks_)
        if (rank.node == node && is_stopped(rank)) stopped.insert(rank.number);
      nodes_[i]->observe(link_is_up(node), stopped);
    }
  }
  REQUIRE(recorder_.pump(now_ns).has_value());
  for (std::size_t i = 0; i < nodes_.size(); ++i)
    if (const auto why = nodes_[i]->listen()) end_the_run(static_cast<int>(i), *why);
}

void VirtualCluster::end_the_run(int node, const std::string& why) {
  std::vector<int> killed;
  for (Rank& rank : ranks_)
    if (rank.node == node && !std::exchange(rank.dead, true)) killed.push_back(rank.number);
  nodes_[static_cast<std::size_t>(node)]->end_run(why, killed);
  ended_.insert(node);
}

// --- what faults do

bool VirtualCluster::is_stopped(const Rank& rank) {
  return std::any_of(board_.faults().begin(), board_.faults().end(), [&](const VirtualFault& fault) {
    return fault.on && !fault.idle && fault.name == "process_pause" && fault.node == rank.node;
  });
}

bool VirtualCluster::link_is_up(int node) {
  return std::none_of(board_.faults().begin(), board_.faults().end(), [&](const VirtualFault& fault) {
    return fault.on && !fault.idle && (fault.name == "link_flap" || fault.name == "link_down") && fault.node == node;
  });
}

/// Partitions know the addresses of those they cut off.
bool VirtualCluster::path_is_open(int a, int b) {
  const auto cuts = [this](const VirtualFault& fault, int node) {
    const auto& nics = plan_.topology.nodes[static_cast<std::size_t>(node)].nics;
    const std::string address = nics.front().addresses.front();
    const std::string bare = address.substr(0, address.find('/'));
    const auto peers = fault.resolved.value("peers", std::vector<std::string>());
    return std::find(peers.begin(), peers.end(), bare) != peers.end();
  };
  return std::none_of(board_.faults().begin(), board_.faults().end(), [&](const VirtualFault& fault) {
    return fault.on && !fault.idle && fault.name == "partition" &&
           ((fault.node == a && cuts(fault, b)) || (fault.node == b && cuts(fault, a)));
  });
}

void VirtualCluster::kill_ranks() {
  for (const VirtualFault& fault : board_.faults()) {
    if (!fault.on || fault.idle || fault.name != "process_kill") continue;
    for (Rank& rank : ranks_) {
      if (rank.node != fault.node || std::exchange(rank.dead, true)) continue;
      nodes_[static_cast<std::size_t>(rank.node)]->tell_death(*rank.slot);
      break;  // it names one rank
    }
  }
}

void VirtualCluster::note_aftermath() {
  bool hit = false;
  for (std::size_t i = 0; i < nodes_.size(); ++i) hit = hit || !link_is_up(static_cast<int>(i));
  if (std::exchange(network_was_hit_, hit) && !hit) aftermath_until_ns_ = monotonic_ns() + setting_.aftermath_ns;
}

Json VirtualCluster::usage_of(int node) const {
  Json ranks = Json::array();
  for (const Rank& rank : ranks_)
    if (rank.node == node)
      ranks.push_back({{"rank", rank.number},
                       {"cpu_ns", rank.cpu_ns},
                       {"run_wait_ns", 0},
                       {"minor_faults", 0},
                       {"major_faults", 0},
                       {"stopped_ns", rank.stopped_ns},
                       {"blocked_ns", 0}});
  return Json{{"ranks", ranks}, {"machine", "machine" + std::to_string(node)}};
}

// --- links

/// As harness/run/link_test.hpp writes it. An exchange that stands still counts when it has come through.
void VirtualCluster::test_links(const Block& block) {
  auto links = EventsWriter::open(directory_ / "links.jsonl");
  REQUIRE(links.has_value());
  struct Link {
    int a = 0, b = 0;
    std::int64_t stood_ns = 0;
  };
  std::vector<Link> all;
  for (int a = 0; a < setting_.nodes; ++a)
    for (int b = a + 1; b < setting_.nodes; ++b) all.push_back({.a = a, .b = b});
  const std::int64_t length_ns = plan_.design.block_ns > 0 ? plan_.design.block_ns : kNsPerS;
  std::int64_t entry_at_ns = block_began_ns_ + kLinkEntry_ns;
  for (int round = 0; monotonic_ns() < block_began_ns_ + length_ns;) {
    const std::int64_t began_ns = monotonic_ns(), next_ns = std::min(next_event_ns(), entry_at_ns);
    std::vector<bool> open;
    for (const Link& link : all)
      open.push_back(link_is_up(link.a) && link_is_up(link.b) && path_is_open(link.a, link.b));
    pass_until(next_ns);
    for (std::size_t i = 0; i < all.size(); ++i)
      if (!open[i]) all[i].stood_ns += next_ns - began_ns;
    if (next_ns < entry_at_ns) continue;
    entry_at_ns += kLinkEntry_ns;
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (!open[i]) continue;
      Link& link = all[i];
      const double median_ns = noisy(50'000), stood_ns = static_cast<double>(std::exchange(link.stood_ns, 0));
      const Json entry{{"block", block.index},
                       {"kind", to_string(block.kind)},
                       {"a", link.a},
                       {"b", link.b},
                       {"round", round},
                       {"t_ns", monotonic_ns()},
                       {"latency_ns", {{"min", 40'000}, {"median", median_ns}, {"max", noisy(90'000) + stood_ns}}},
                       {"round_trips", 100},
                       {"bits_per_s", 2'097'152 / (noisy(210e-6) + stood_ns / 1e9)}};
      REQUIRE(links->append(entry).has_value());
    }
    ++round;
  }
}

}  // namespace grit::testing
