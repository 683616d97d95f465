#include "analysis/simulate/transfer_model.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <optional>
#include <vector>

namespace grit {
namespace {

/// What goes through one link, one message after the other.
struct Traffic {
  double messages = 0, bytes = 0;
  [[nodiscard]] double time_ns(const LinkModel& link) const {
    return messages * link.latency_ns + bytes * link.ns_per_byte;
  }
};

Traffic ring(CollectiveOperation kind, int ranks, double bytes) {
  const double others = ranks - 1, share = others / ranks;
  switch (kind) {
    case CollectiveOperation::all_reduce:
      return {2 * others, 2 * share * bytes};
    case CollectiveOperation::reduce_scatter:
    case CollectiveOperation::all_gather:
    case CollectiveOperation::all_to_all:
      return {others, share * bytes};
    case CollectiveOperation::send:
    case CollectiveOperation::receive:
      return {1, bytes};
  }
  return {};
}

std::optional<Traffic> tree(CollectiveOperation kind, int ranks, double bytes) {
  const auto rounds = static_cast<double>(std::bit_width(static_cast<unsigned>(ranks - 1)));  // log2, rounded up
  switch (kind) {
    case CollectiveOperation::all_reduce:
      return Traffic{2 * rounds, 2 * rounds * bytes};
    case CollectiveOperation::reduce_scatter:
    case CollectiveOperation::all_gather:
      return Traffic{rounds, rounds * bytes};
    default:
      return std::nullopt;
  }
}

/// By the faster algorithm.
Traffic traffic(CollectiveOperation kind, int ranks, std::int64_t bytes, const LinkModel& link) {
  if (ranks < 2) return {};
  const auto size = static_cast<double>(bytes);
  const Traffic by_ring = ring(kind, ranks, size);
  const auto by_tree = tree(kind, ranks, size);
  return by_tree && by_tree->time_ns(link) < by_ring.time_ns(link) ? *by_tree : by_ring;
}

Traffic traffic(const TransferSample& sample, const LinkModel& link) {
  return traffic(sample.kind, sample.ranks, sample.bytes, link);
}

/// Both figures of least relative error, for the algorithms of `now`.
LinkModel refit(std::span<const TransferSample> samples, const LinkModel& now) {
  double mm = 0, mb = 0, bb = 0, m = 0, b = 0;  // sums of products of messages and bytes, over the time
  for (const TransferSample& sample : samples) {
    const Traffic through = traffic(sample, now);
    const double messages = through.messages / sample.transfer_ns, bytes = through.bytes / sample.transfer_ns;
    mm += messages * messages, mb += messages * bytes, bb += bytes * bytes, m += messages, b += bytes;
  }
  const double determinant = mm * bb - mb * mb;
  if (determinant > 0) {
    const LinkModel both{(m * bb - b * mb) / determinant, (b * mm - m * mb) / determinant};
    if (both.latency_ns >= 0 && both.ns_per_byte >= 0) return both;
  }
  // On the border: the one of the two that explains more, which is what is left of the squares.
  const double by_latency = mm > 0 ? m * m / mm : 0, by_bytes = bb > 0 ? b * b / bb : 0;
  return by_latency > by_bytes ? LinkModel{mm > 0 ? m / mm : 0, 0} : LinkModel{0, bb > 0 ? b / bb : 0};
}

std::vector<TransferSample> usable(std::span<const TransferSample> samples) {
  std::vector<TransferSample> list;
  for (const TransferSample& sample : samples)
    if (sample.transfer_ns > 0 && sample.bytes > 0 && sample.ranks > 1) list.push_back(sample);
  return list;
}

bool differ_in_size(const std::vector<TransferSample>& samples) {
  constexpr double kTimes = 4;
  if (samples.empty()) return false;
  const auto [least, most] = std::minmax_element(samples.begin(), samples.end(),
                                                 [](const auto& a, const auto& b) { return a.bytes < b.bytes; });
  return static_cast<double>(most->bytes) >= kTimes * static_cast<double>(least->bytes);
}

}  // namespace

double transfer_ns(CollectiveOperation kind, int ranks, std::int64_t bytes, const LinkModel& link) {
  return traffic(kind, ranks, bytes, link).time_ns(link);
}

LinkFit fit_link(std::span<const TransferSample> samples) {
  const auto used = usable(samples);
  LinkFit fit{.told_apart = differ_in_size(used)};
  if (used.empty()) return fit;
  if (!fit.told_apart) {
    for (const TransferSample& sample : used) {
      const Traffic through = ring(sample.kind, sample.ranks, static_cast<double>(sample.bytes));
      const double half_ns = sample.transfer_ns / 2 / static_cast<double>(used.size());
      fit.link.latency_ns += half_ns / through.messages;
      fit.link.ns_per_byte += half_ns / through.bytes;
    }
    return fit;
  }
  constexpr int kRounds = 5;  // the algorithms settle after two
  for (int round = 0; round < kRounds; ++round) fit.link = refit(used, fit.link);
  return fit;
}

LinkModel fit_bandwidth(std::span<const TransferSample> samples, double latency_ns, double otherwise_ns_per_byte) {
  const auto used = usable(samples);
  const LinkModel otherwise{latency_ns, otherwise_ns_per_byte};
  if (!differ_in_size(used)) return otherwise;
  // A straight line through time less latencies over bytes; weighted, so that relative errors count.
  double weights = 0, x = 0, y = 0, xx = 0, xy = 0;
  for (const TransferSample& sample : used) {
    const Traffic through = traffic(sample, otherwise);
    const double weight = 1 / (sample.transfer_ns * sample.transfer_ns);
    const double rest_ns = sample.transfer_ns - through.messages * latency_ns;
    weights += weight, x += weight * through.bytes, y += weight * rest_ns;
    xx += weight * through.bytes * through.bytes, xy += weight * through.bytes * rest_ns;
  }
  const double spread = weights * xx - x * x;
  const double slope = spread > 0 ? (weights * xy - x * y) / spread : otherwise_ns_per_byte;
  return {latency_ns, std::max(slope, 0.0)};
}

}  // namespace grit
