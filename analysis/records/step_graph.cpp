#include "analysis/records/step_graph.hpp"

#include <algorithm>
#include <limits>
#include <numeric>
#include <utility>

#include "analysis/records/operation_key.hpp"

namespace grit {
namespace {

using Kind = StepGraph::Kind;

constexpr std::uint32_t kNone = Played::kNone;

/// From the spans of a stretch to its graph.
class GraphMaker {
 public:
  GraphMaker(std::span<const CollectiveRecord> spans, std::span<const RankStretch> ranks, std::uint32_t first_step,
             std::uint8_t steps)
      : spans_(spans), ranks_(ranks), first_step_(first_step) {
    graph_.steps = steps;
    graph_.start_ns.resize(ranks.size());
    operation_of_.resize(spans.size(), kNone);
  }

  std::optional<StepGraph> make(std::span<const std::uint32_t> group_sizes) {
    if (!all_known() || !find_operations(group_sizes)) return std::nullopt;
    find_transfers();
    find_starts();
    find_events();
    find_balance();
    if (!play(graph_, {}, Tokens::as_routed)) return std::nullopt;
    return std::move(graph_);
  }

 private:
  /// Something that a rank comes to, by its own clock.
  struct Moment {
    std::uint32_t rank = 0, span = 0;
    std::int64_t at_ns = 0, until_ns = 0;
    Kind kind = Kind::begin;
  };
  /// What an operation would be with a balanced router.
  struct OnWay {
    std::uint32_t operation = 0;
    double transfer_share = 1;  // of its time
    double mean_bytes = 0;      // over its ranks; 0: it tells nothing of their work
  };

  [[nodiscard]] bool is_before(const CollectiveRecord& span) const { return span.step < first_step_; }
  /// Of the step before that one: there only to see whether operations follow each other.
  [[nodiscard]] bool is_older(const CollectiveRecord& span) const { return span.step + 1 < first_step_; }
  [[nodiscard]] std::int64_t shared_ns(const CollectiveRecord& span, std::int64_t at_ns) const {
    return at_ns + ranks_[span.rank].shift_ns;
  }

  [[nodiscard]] bool all_known() const {
    for (const RankStretch& rank : ranks_)
      if (!rank.known) return false;
    return std::all_of(spans_.begin(), spans_.end(), [&](const CollectiveRecord& span) {
      return span.rank < ranks_.size() && (is_older(span) || (span.exit_ns >= span.entry_ns && span.entry_ns > 0));
    });
  }

  /// Numbers the operations of the stretch; false: one lacks a rank, or lies between two of which there are records. Of
  /// the step before, too: else its last wait could be missing, and look like work.
  bool find_operations(std::span<const std::uint32_t> group_sizes) {
    std::vector<std::uint32_t> all(spans_.size());
    std::iota(all.begin(), all.end(), std::uint32_t{0});
    std::sort(all.begin(), all.end(), [&](std::uint32_t x, std::uint32_t y) {
      const auto a = key_of(spans_[x]), b = key_of(spans_[y]);
      return a != b ? a < b : spans_[x].rank < spans_[y].rank;
    });
    OperationKey before{};
    for (std::size_t first = 0, next = 0; first < all.size(); first = next) {
      const OperationKey key = key_of(spans_[all[first]]);
      for (next = first; next < all.size() && key_of(spans_[all[next]]) == key; ++next) {
        const CollectiveRecord& span = spans_[all[next]];
        if (next > first && span.rank == spans_[all[next - 1]].rank) return false;
        if (is_before(span) != is_before(spans_[all[first]])) return false;
      }
      std::size_t members = 2;
      if (key.from < 0) members = key.group < group_sizes.size() ? group_sizes[key.group] : 1;
      if (next - first != members && !is_older(spans_[all[first]])) return false;
      if (first > 0 && before.is_beside(key) && before.sequence + 1 != key.sequence) return false;
      before = key;
      if (!is_before(spans_[all[first]])) add_operation(key, std::span(all).subspan(first, members));
    }
    first_of_.push_back(static_cast<std::uint32_t>(by_key_.size()));
    return !graph_.operations.empty();
  }

  void add_operation(const OperationKey& key, std::span<const std::uint32_t> spans) {
    for (const std::uint32_t span : spans) operation_of_[span] = static_cast<std::uint32_t>(graph_.operations.size());
    if (graph_.places.empty() || !graph_.places.back().is_beside(key))
      graph_.places.push_back({key.group, key.from, key.to, 0});
    first_of_.push_back(static_cast<std::uint32_t>(by_key_.size()));
    by_key_.insert(by_key_.end(), spans.begin(), spans.end());
    graph_.operations.push_back({.members = static_cast<std::uint32_t>(spans.size()),
                                 .place = static_cast<std::uint32_t>(graph_.places.size() - 1)});
  }

  [[nodiscard]] std::span<const std::uint32_t> spans_of(std::uint32_t operation) const {
    return std::span(by_key_).subspan(first_of_[operation], first_of_[operation + 1] - first_of_[operation]);
  }

  /// Send and receive, in this order; of a collective nothing.
  [[nodiscard]] std::optional<std::pair<std::uint32_t, std::uint32_t>> transfer_of(std::uint32_t operation) const {
    const auto members = spans_of(operation);
    if (!is_transfer(spans_[members.front()].operation)) return std::nullopt;
    const bool sends = spans_[members.front()].operation == CollectiveOperation::send;
    return std::pair(members[sends ? 0 : 1], members[sends ? 1 : 0]);
  }

  void find_transfers() {
    const auto count = static_cast<std::uint32_t>(graph_.operations.size());
    for (std::uint32_t i = 0; i < count; ++i)
      if (const auto transfer = transfer_of(i)) {
        const CollectiveRecord &sent = spans_[transfer->first], &received = spans_[transfer->second];
        if (shared_ns(sent, sent.exit_ns) < shared_ns(received, received.entry_ns))
          buffered_bytes_ = std::max(buffered_bytes_, sent.bytes);
      }
    done_ns_.resize(count);
    for (std::uint32_t i = 0; i < count; ++i) {
      std::int64_t latest_ns = std::numeric_limits<std::int64_t>::min();
      std::int64_t done_ns = std::numeric_limits<std::int64_t>::max();
      for (const std::uint32_t member : spans_of(i)) {
        const CollectiveRecord& span = spans_[member];
        latest_ns = std::max(latest_ns, shared_ns(span, span.entry_ns));
        if (!is_buffered(span)) done_ns = std::min(done_ns, shared_ns(span, span.exit_ns));
      }
      done_ns_[i] = std::max(done_ns, latest_ns);
      graph_.operations[i].transfer_ns = static_cast<float>(done_ns_[i] - latest_ns);
    }
  }

  [[nodiscard]] bool is_buffered(const CollectiveRecord& span) const {
    return span.operation == CollectiveOperation::send && span.bytes <= buffered_bytes_;
  }

  /// A rank's stretch begins when it began its last operation of the step before.
  void find_starts() {
    start_ns_.resize(ranks_.size(), std::numeric_limits<std::int64_t>::min());
    for (const CollectiveRecord& span : spans_) {
      if (is_before(span)) start_ns_[span.rank] = std::max(start_ns_[span.rank], span.entry_ns);
    }
    origin_ns_ = std::numeric_limits<std::int64_t>::max();
    for (std::size_t rank = 0; rank < ranks_.size(); ++rank) {
      if (start_ns_[rank] == std::numeric_limits<std::int64_t>::min()) start_ns_[rank] = ranks_[rank].start_ns;
      origin_ns_ = std::min(origin_ns_, start_ns_[rank] + ranks_[rank].shift_ns);
    }
    for (std::size_t rank = 0; rank < ranks_.size(); ++rank)
      graph_.start_ns[rank] = static_cast<double>(start_ns_[rank] + ranks_[rank].shift_ns - origin_ns_);
  }

  [[nodiscard]] std::vector<Moment> moments() const {
    std::vector<Moment> all;
    all.reserve(2 * spans_.size());
    for (std::uint32_t i = 0; i < spans_.size(); ++i) {
      const CollectiveRecord& span = spans_[i];
      const bool waited = span.wait_ns > 0 && span.wait_ns < ranks_[span.rank].end_ns && !is_buffered(span);
      if (is_before(span)) {
        if (waited && span.exit_ns > start_ns_[span.rank])
          all.push_back({span.rank, i, span.wait_ns, span.exit_ns, Kind::outside});
        continue;
      }
      all.push_back({span.rank, i, span.entry_ns, span.entry_ns, Kind::begin});
      if (waited) all.push_back({span.rank, i, span.wait_ns, span.exit_ns, Kind::wait});
    }
    std::sort(all.begin(), all.end(), [](const Moment& x, const Moment& y) {
      if (x.rank != y.rank) return x.rank < y.rank;
      if (x.at_ns != y.at_ns) return x.at_ns < y.at_ns;
      if (x.kind != y.kind) return x.kind == Kind::begin;  // what is waited for has begun
      return x.until_ns != y.until_ns ? x.until_ns < y.until_ns : x.span < y.span;
    });
    return all;
  }

  void find_events() {
    const std::vector<Moment> all = moments();
    graph_.events.reserve(all.size());
    span_of_event_.reserve(all.size());
    graph_.first_event.assign(ranks_.size() + 1, 0);
    std::int64_t now_ns = 0;
    std::uint32_t rank = 0;
    for (std::size_t i = 0; i < all.size(); ++i) {
      const Moment& moment = all[i];
      for (; rank < moment.rank; ++rank) graph_.first_event[rank + 1] = static_cast<std::uint32_t>(i);
      if (i == 0 || all[i - 1].rank != moment.rank) now_ns = start_ns_[moment.rank];
      StepGraph::Event event{.operation = operation_of_[moment.span], .kind = moment.kind};
      event.work_ns = static_cast<float>(std::max<std::int64_t>(moment.at_ns - now_ns, 0));
      now_ns = std::max(now_ns, moment.at_ns);
      if (!is_before(spans_[moment.span]))
        event.step = static_cast<std::uint8_t>(spans_[moment.span].step - first_step_);
      if (moment.kind == Kind::wait) {
        const std::int64_t over_ns = std::max(done_ns_[event.operation] - ranks_[moment.rank].shift_ns, now_ns);
        event.late_ns = static_cast<float>(std::max<std::int64_t>(moment.until_ns - over_ns, 0));
      } else if (moment.kind == Kind::outside) {
        event.late_ns = static_cast<float>(moment.until_ns + ranks_[moment.rank].shift_ns - origin_ns_);
      }
      now_ns = std::max(now_ns, moment.until_ns);
      graph_.events.push_back(event);
      span_of_event_.push_back(moment.span);
    }
    for (; rank < ranks_.size(); ++rank) graph_.first_event[rank + 1] = static_cast<std::uint32_t>(all.size());
  }

  /// Of the all-to-alls. Those by which tokens go out are alike in what ranks send; what experts have got shows in the
  /// next one of their group, by which they give it back.
  [[nodiscard]] std::vector<OnWay> balances() const {
    std::vector<OnWay> all;
    for (std::uint32_t i = 0; i < graph_.operations.size(); ++i) {
      const auto members = spans_of(i);
      if (spans_[members.front()].operation != CollectiveOperation::all_to_all) continue;
      double sum_bytes = 0, most_bytes = 0;
      for (const std::uint32_t member : members) {
        sum_bytes += static_cast<double>(spans_[member].bytes);
        most_bytes = std::max(most_bytes, static_cast<double>(spans_[member].bytes));
      }
      const double mean_bytes = sum_bytes / static_cast<double>(members.size());
      if (most_bytes <= 0) continue;
      const bool even = most_bytes - mean_bytes < 1e-9 * mean_bytes;
      all.push_back({i, mean_bytes / most_bytes, even ? 0 : mean_bytes});
      if (!even && all.size() > 1 && all[all.size() - 2].mean_bytes == 0 &&
          key_of(spans_[spans_of(all[all.size() - 2].operation).front()]).is_beside(key_of(spans_[members.front()])))
        all[all.size() - 2].transfer_share = mean_bytes / most_bytes;
    }
    return all;
  }

  void find_balance() {
    graph_.routed_share.resize(ranks_.size(), 0.0);
    std::vector<double> uneven(ranks_.size(), 0.0);  // all-to-alls
    double all_uneven = 0;
    for (const OnWay& balance : balances()) {
      apply(balance);
      if (balance.mean_bytes <= 0) continue;
      graph_.most_routed_share += 1 / balance.transfer_share - 1;
      ++all_uneven;
      for (const std::uint32_t member : spans_of(balance.operation)) {
        const CollectiveRecord& span = spans_[member];
        graph_.routed_share[span.rank] += static_cast<double>(span.bytes) / balance.mean_bytes - 1;
        ++uneven[span.rank];
      }
    }
    for (std::size_t rank = 0; rank < uneven.size(); ++rank)
      if (uneven[rank] > 0) graph_.routed_share[rank] /= uneven[rank];
    if (all_uneven > 0) graph_.most_routed_share /= all_uneven;
  }

  void apply(const OnWay& balance) {
    StepGraph::Operation& operation = graph_.operations[balance.operation];
    operation.routed_ns = operation.transfer_ns * static_cast<float>(1 - balance.transfer_share);
    operation.transfer_ns -= operation.routed_ns;
    if (balance.mean_bytes > 0) apply_to_works(balance);
  }

  /// The works of the members between the all-to-all before this one and this one.
  void apply_to_works(const OnWay& balance) {
    if (begin_of_span_.empty()) {
      begin_of_span_.resize(spans_.size(), kNone);
      for (std::uint32_t i = 0; i < graph_.events.size(); ++i)
        if (graph_.events[i].kind == Kind::begin) begin_of_span_[span_of_event_[i]] = i;
    }
    for (const std::uint32_t member : spans_of(balance.operation)) {
      const CollectiveRecord& span = spans_[member];
      if (span.bytes <= 0) continue;
      const double share = balance.mean_bytes / static_cast<double>(span.bytes);
      for (std::uint32_t i = begin_of_span_[member] + 1; i-- > graph_.first_event[span.rank];) {
        StepGraph::Event& event = graph_.events[i];
        const bool own = i == begin_of_span_[member];
        if (!own && spans_[span_of_event_[i]].operation == CollectiveOperation::all_to_all) break;
        event.routed_ns = event.work_ns * static_cast<float>(1 - share);
        event.work_ns -= event.routed_ns;
      }
    }
  }

  std::span<const CollectiveRecord> spans_;
  std::span<const RankStretch> ranks_;
  std::uint32_t first_step_;
  StepGraph graph_{};
  std::vector<std::uint32_t> by_key_{};        // spans of the stretch, those of one operation together
  std::vector<std::uint32_t> first_of_{};      // by operation, and one more: in by_key_
  std::vector<std::uint32_t> operation_of_{};  // by span
  std::vector<std::int64_t> done_ns_{};        // by operation, on the shared clock
  std::vector<std::int64_t> start_ns_{};       // by rank, on its clock
  std::int64_t origin_ns_ = 0;                 // on the shared clock
  std::int64_t buffered_bytes_ = -1;           // sends of no more bytes are over at once
  std::vector<std::uint32_t> span_of_event_{}, begin_of_span_{};
};

/// Cuts the longest to one length, so that all of them together are shorter by so much, or nothing is left.
void cut_longest(std::vector<float*>& works_ns, double by_ns) {
  std::sort(works_ns.begin(), works_ns.end(), [](const float* x, const float* y) { return *x > *y; });
  double longer_ns = 0;  // that those before have
  for (std::size_t i = 0; i < works_ns.size(); ++i) {
    longer_ns += static_cast<double>(*works_ns[i]);
    const double next_ns = i + 1 < works_ns.size() ? static_cast<double>(*works_ns[i + 1]) : 0;
    const auto count = static_cast<double>(i + 1);
    if (longer_ns - count * next_ns < by_ns && i + 1 < works_ns.size()) continue;
    const auto length_ns = static_cast<float>(std::max((longer_ns - by_ns) / count, 0.0));
    for (std::size_t cut = 0; cut <= i; ++cut) *works_ns[cut] = std::min(*works_ns[cut], length_ns);
    return;
  }
}

double work_of(const StepGraph& graph, std::span<const float> work_ns, std::uint32_t event, bool as_routed) {
  const StepGraph::Event& one = graph.events[event];
  return static_cast<double>(work_ns.empty() ? one.work_ns : work_ns[event]) +
         (as_routed ? static_cast<double>(one.routed_ns) : 0);
}

double transfer_of(const StepGraph& graph, const StepGraph::Event& event, bool as_routed) {
  const StepGraph::Operation& operation = graph.operations[event.operation];
  return static_cast<double>(operation.transfer_ns) + (as_routed ? static_cast<double>(operation.routed_ns) : 0);
}

/// Plays a graph forward: each rank as far as it gets, again when what it waits for is over.
class Player {
 public:
  Player(const StepGraph& graph, std::span<const float> work_ns, Tokens tokens)
      : graph_(graph), work_ns_(work_ns), as_routed_(tokens == Tokens::as_routed) {
    played_.at_ns.resize(graph.events.size());
    played_.last_begun.resize(graph.operations.size(), kNone);
    begun_.resize(graph.operations.size(), 0);
    waiting_.resize(graph.operations.size(), kNone);
    next_waiting_.resize(graph.ranks(), kNone);
    next_event_.assign(graph.first_event.begin(), graph.first_event.end() - 1);
    now_ns_ = graph.start_ns;
    for (std::size_t rank = graph.ranks(); rank-- > 0;) ready_.push_back(static_cast<std::uint32_t>(rank));
  }

  std::optional<Played> play() {
    std::size_t ended = 0;
    while (!ready_.empty()) {
      const std::uint32_t rank = ready_.back();
      ready_.pop_back();
      ended += advance(rank) ? 1 : 0;
    }
    if (ended != graph_.ranks()) return std::nullopt;
    for (std::uint32_t i = 0; i < played_.at_ns.size(); ++i)
      if (played_.last_event == kNone || played_.at_ns[i] > played_.end_ns)
        played_.end_ns = played_.at_ns[i], played_.last_event = i;
    return std::move(played_);
  }

 private:
  /// Up to the rank's end: true; or until it waits for others.
  bool advance(std::uint32_t rank) {
    double now_ns = now_ns_[rank];
    std::uint32_t i = next_event_[rank];
    for (; i < graph_.first_event[rank + 1]; ++i) {
      const StepGraph::Event& event = graph_.events[i];
      const double at_ns = now_ns + work_of(graph_, work_ns_, i, as_routed_);
      if (event.kind == Kind::begin) {
        begin(i, at_ns);
        now_ns = at_ns;
      } else if (event.kind == Kind::outside) {
        now_ns = std::max(at_ns, static_cast<double>(event.late_ns));
      } else {
        const StepGraph::Operation& operation = graph_.operations[event.operation];
        if (begun_[event.operation] < operation.members) {
          next_waiting_[rank] = waiting_[event.operation];
          waiting_[event.operation] = rank;
          break;
        }
        const double over_ns =
            played_.at_ns[played_.last_begun[event.operation]] + transfer_of(graph_, event, as_routed_);
        now_ns = std::max(at_ns, over_ns) + event.late_ns;
      }
      played_.at_ns[i] = now_ns;
    }
    next_event_[rank] = i;
    now_ns_[rank] = now_ns;
    return i == graph_.first_event[rank + 1];
  }

  void begin(std::uint32_t event, double at_ns) {
    const std::uint32_t operation = graph_.events[event].operation;
    std::uint32_t& last = played_.last_begun[operation];
    if (last == kNone || at_ns > played_.at_ns[last]) last = event;
    played_.at_ns[event] = at_ns;
    if (++begun_[operation] < graph_.operations[operation].members) return;
    for (std::uint32_t rank = waiting_[operation]; rank != kNone; rank = next_waiting_[rank]) ready_.push_back(rank);
    waiting_[operation] = kNone;
  }

  const StepGraph& graph_;
  std::span<const float> work_ns_;
  bool as_routed_;
  Played played_{};
  std::vector<std::uint32_t> begun_{};         // by operation: how many of its ranks have
  std::vector<std::uint32_t> waiting_{};       // by operation: the first rank that waits for it
  std::vector<std::uint32_t> next_waiting_{};  // by rank: the next one that waits for the same
  std::vector<std::uint32_t> next_event_{};    // by rank
  std::vector<double> now_ns_{};               // by rank
  std::vector<std::uint32_t> ready_{};
};

}  // namespace

std::size_t StepGraph::rank_of(std::uint32_t event) const {
  return static_cast<std::size_t>(std::upper_bound(first_event.begin(), first_event.end(), event) -
                                  first_event.begin()) -
         1;
}

std::optional<StepGraph> make_step_graph(std::span<const CollectiveRecord> spans, std::span<const RankStretch> ranks,
                                         std::span<const std::uint32_t> group_sizes, std::uint32_t first_step,
                                         std::uint8_t steps) {
  return GraphMaker(spans, ranks, first_step, steps).make(group_sizes);
}

void take_off_storage(StepGraph& graph, const std::vector<bool>& of_ranks) {
  for (std::size_t rank = 0; rank < graph.ranks() && !graph.storage_ns.empty(); ++rank) {
    if (rank >= of_ranks.size() || !of_ranks[rank]) continue;
    std::vector<std::vector<float*>> works_ns(graph.steps);
    for (std::uint32_t i = graph.first_event[rank]; i < graph.first_event[rank + 1]; ++i)
      works_ns[graph.events[i].step].push_back(&graph.events[i].work_ns);
    for (std::size_t step = 0; step < works_ns.size(); ++step)
      cut_longest(works_ns[step], static_cast<double>(graph.storage_ns[rank * graph.steps + step]));
  }
}

std::optional<Played> play(const StepGraph& graph, std::span<const float> work_ns, Tokens tokens) {
  return Player(graph, work_ns, tokens).play();
}

CriticalPath critical_path(const StepGraph& graph, const Played& played, std::span<const float> work_ns,
                           Tokens tokens) {
  const bool as_routed = tokens == Tokens::as_routed;
  CriticalPath path;
  std::uint32_t i = played.last_event;
  if (i == kNone) return path;
  std::size_t rank = graph.rank_of(i);
  while (true) {
    const StepGraph::Event& event = graph.events[i];
    const bool is_first = i == graph.first_event[rank];
    const double work = work_of(graph, work_ns, i, as_routed);
    const double at_ns = (is_first ? graph.start_ns[rank] : played.at_ns[i - 1]) + work;
    if (event.kind == Kind::outside && static_cast<double>(event.late_ns) > at_ns) return path;
    if (event.kind == Kind::wait) {
      path.transfer_ns += static_cast<double>(event.late_ns);
      const std::uint32_t last = played.last_begun[event.operation];
      const double transfer_ns = transfer_of(graph, event, as_routed);
      if (played.at_ns[last] + transfer_ns > at_ns) {
        path.transfer_ns += transfer_ns;
        i = last;
        rank = graph.rank_of(i);
        continue;
      }
    }
    path.works.push_back(i);
    path.work_ns += work;
    if (is_first) return path;
    --i;
  }
}

}  // namespace grit
