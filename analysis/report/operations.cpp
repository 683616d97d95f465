#include "analysis/report/operations.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <map>
#include <optional>
#include <tuple>

#include "analysis/records/paged.hpp"
#include "analysis/report/run_data.hpp"
#include "harness/model/bus_bandwidth.hpp"
#include "harness/model/mesh_groups.hpp"

namespace grit {
namespace {

/// Counts by value, 64 of them to an octave: a quantile is wrong by 1 % at most. The exponent of a double with the
/// first six bits behind it are such a place.
class Histogram {
 public:
  /// `value`: 1 or more.
  void add(double value) {
    if (counts_.empty()) counts_.resize(kPlaces);
    const std::uint64_t place = (std::bit_cast<std::uint64_t>(value) >> kUnused_bits) - kFirst;
    ++counts_[std::min<std::uint64_t>(place, kPlaces - 1)];
    ++count_;
  }
  /// The value of the element at that share of all, 0 without any.
  [[nodiscard]] double quantile(double share) const {
    const auto wanted = static_cast<std::uint64_t>(share * static_cast<double>(count_ > 0 ? count_ - 1 : 0));
    std::uint64_t before = 0;
    for (std::uint64_t i = 0; i < counts_.size(); ++i)
      if ((before += counts_[i]) > wanted)
        return std::bit_cast<double>(((i + kFirst) << kUnused_bits) | (std::uint64_t{1} << (kUnused_bits - 1)));
    return 0;
  }

 private:
  static constexpr std::uint64_t kUnused_bits = 52 - 6;
  static constexpr std::uint64_t kFirst = std::bit_cast<std::uint64_t>(1.0) >> kUnused_bits;
  static constexpr std::size_t kPlaces = 64 * 64;  // up to 2^64
  std::vector<std::uint64_t> counts_{};
  std::uint64_t count_ = 0;
};

struct Sum {
  std::uint64_t count = 0, wrong = 0;
  double bytes = 0;
  Histogram times_ns{}, bus_bits_per_s{};
  [[nodiscard]] OperationFigures figures() const {
    return {count, wrong, bytes, times_ns.quantile(0.5), times_ns.quantile(0.9), bus_bits_per_s.quantile(0.5)};
  }
};

struct Sums {
  std::int64_t least_bytes = INT64_MAX, most_bytes = 0;
  std::array<Sum, 2> of{};  // baseline, fault
};

/// Of a group, by its id: which axis it is of, and its size.
struct Place {
  std::size_t axis = 0;
  int ranks = 0;
};

class Pass {
 public:
  Pass(const Plan& plan, std::span<const StepPoint> steps) {
    for (const RecordedGroup& group : recorded_groups(mesh_of(plan)).list) {
      if (axes_.empty() || axes_.back() != group.axis) axes_.push_back(group.axis);
      places_.push_back({axes_.size() - 1, static_cast<int>(group.members.size())});
    }
    for (const StepPoint& step : steps)
      if (step.measured && (step.kind == BlockKind::baseline || step.kind == BlockKind::fault))
        kinds_[step.step] = step.kind == BlockKind::baseline ? 1 : 2;
    sums_.resize(kOperations * axes_.size() * kSizes);
  }

  void add(const CollectiveRecord& span) {
    const auto operation = static_cast<std::size_t>(span.operation);
    const char* kind = kinds_.find(span.step);
    if (kind == nullptr || *kind == 0 || span.group >= places_.size() || operation >= kOperations ||
        span.exit_ns < span.entry_ns || span.exit_ns == 0 || span.bytes < 0)
      return;
    const Place& place = places_[span.group];
    const auto size = static_cast<std::size_t>(std::bit_width(static_cast<std::uint64_t>(span.bytes)));
    auto& sums = sums_[(operation * axes_.size() + place.axis) * kSizes + size];
    if (!sums) sums.emplace();
    sums->least_bytes = std::min(sums->least_bytes, span.bytes);
    sums->most_bytes = std::max(sums->most_bytes, span.bytes);
    Sum& sum = sums->of[*kind == 1 ? 0 : 1];
    ++sum.count;
    sum.wrong += span.wrong;
    sum.bytes += static_cast<double>(span.bytes);
    const auto time_ns = static_cast<double>(std::max<std::int64_t>(span.exit_ns - span.entry_ns, 1));
    sum.times_ns.add(time_ns);
    const double rate = bus_bandwidth_bits_per_s(span.operation, place.ranks, span.bytes, time_ns);
    if (rate >= 1) sum.bus_bits_per_s.add(rate);
  }

  [[nodiscard]] std::vector<OperationRow> rows() const {
    std::vector<OperationRow> rows;
    for (std::size_t i = 0; i < sums_.size(); ++i) {
      if (!sums_[i]) continue;
      const std::size_t axis = i / kSizes % axes_.size();
      const auto of_axis = [&](const Place& place) { return place.axis == axis; };
      rows.push_back({.operation = static_cast<CollectiveOperation>(i / kSizes / axes_.size()),
                      .axis = axes_[axis],
                      .ranks = std::find_if(places_.begin(), places_.end(), of_axis)->ranks,
                      .least_bytes = sums_[i]->least_bytes,
                      .most_bytes = sums_[i]->most_bytes,
                      .baseline = sums_[i]->of[0].figures(),
                      .fault = sums_[i]->of[1].figures()});
    }
    return rows;
  }

 private:
  static constexpr std::size_t kOperations = 6;
  static constexpr std::size_t kSizes = 64;  // octaves

  std::vector<std::string> axes_{};
  std::vector<Place> places_{};              // by group
  Paged<char> kinds_{};                      // by step; 1: of a baseline block, 2: of a fault block
  std::vector<std::optional<Sums>> sums_{};  // by operation, axis and size
};

}  // namespace

std::vector<OperationRow> sum_operations(const Plan& plan, std::span<const StepPoint> steps,
                                         std::span<const CollectiveRecord> spans) {
  if (spans.empty()) return {};
  Pass pass(plan, steps);
  for (const CollectiveRecord& span : spans) pass.add(span);
  return pass.rows();
}

}  // namespace grit
