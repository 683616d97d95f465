#include "analysis/stats/threshold.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

#include "analysis/stats/sign_flip.hpp"

namespace grit {
namespace {

constexpr std::size_t kGrid = 60;         // breakpoints of the first look; the second is that much finer
constexpr std::size_t kReplicates = 200;  // enough for 5 % quantiles (Efron and Tibshirani, ch. 13: 200 and more)
constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNoEnd = kInfinity;
constexpr std::uint64_t kSeed = 20261126;  // the same data give the same interval

struct Hinge {
  double knee = 0;
  double end = kNoEnd;  // flat again from here on
  double flat = 0;
  double rise = 0;           // from the knee to the end; to place 1 when there is no end
  double error = kInfinity;  // sum of squares
};

struct Point {
  double place = 0;
  double value = 0;
};

/// What a straight line over x takes to fit by least squares, slope >= 0.
struct Line {
  double n = 0, x = 0, xx = 0, y = 0, xy = 0, yy = 0;
  void add(double at, double value) {
    n += 1, x += at, xx += at * at, y += value, xy += at * value, yy += value * value;
  }
  [[nodiscard]] double slope() const {
    const double spread = xx - x * x / n;
    return spread > 1e-12 ? std::max(0.0, (xy - x * y / n) / spread) : 0;
  }
  [[nodiscard]] double start() const { return (y - slope() * x) / n; }
  [[nodiscard]] double error() const {
    const double a = start(), b = slope();
    return std::max(0.0, yy - 2 * a * y - 2 * b * xy + n * a * a + 2 * a * b * x + b * b * xx);
  }
};

/// Flat, a rise from the knee on, and flat again from a given place on.
Hinge fit_with_end(std::span<const Point> points, double knee, double end) {
  Line line;
  for (const Point& point : points) line.add(std::clamp((point.place - knee) / (end - knee), 0.0, 1.0), point.value);
  return {knee, end, line.start(), line.slope(), line.error()};
}

/// The last `level` of the points lie on the second flat part, whose height is free; its beginning follows, and must
/// lie between the points. The error is infinite when it does not.
Hinge fit_with_level(std::span<const Point> points, double knee, std::size_t level) {
  const auto rising = points.first(points.size() - level), flat = points.last(level);
  Line line, top;
  for (const Point& point : rising) line.add(std::max(0.0, point.place - knee), point.value);
  for (const Point& point : flat) top.add(0, point.value);
  Hinge hinge{knee, kNoEnd, line.start(), line.slope() * (1 - knee), line.error()};
  if (level == 0) return hinge;
  hinge.rise = top.y / top.n - hinge.flat;
  hinge.end = line.slope() > 0 ? knee + hinge.rise / line.slope() : 0;
  hinge.error += top.yy - top.y * top.y / top.n;
  if (hinge.end < rising.back().place || hinge.end > flat.front().place) hinge.error = kInfinity;
  return hinge;
}

/// The best hinge with this knee. Points in the order of their places.
Hinge fit_knee_at(std::span<const Point> points, double knee) {
  Hinge best{.knee = knee};
  const auto keep = [&](const Hinge& hinge) {
    if (hinge.error < best.error) best = hinge;
  };
  for (std::size_t i = 0; i < points.size(); ++i) {
    if (points[i].place <= knee + 1e-9) continue;
    keep(fit_with_end(points, knee, points[i].place));
    keep(fit_with_level(points, knee, points.size() - i - 1));
  }
  return best;
}

/// The best hinge, and the knees that fit as well: a step's knee may be anywhere between two doses.
struct HingeFit {
  Hinge best{};
  double low = 0, high = 1;
};

/// `tolerance`: sums of squares that differ by less are the same.
HingeFit fit_on(std::span<const Point> points, std::span<const double> knees, double tolerance) {
  HingeFit fit;
  std::vector<Hinge> hinges;
  for (const double knee : knees) {
    hinges.push_back(fit_knee_at(points, knee));
    if (hinges.back().error < fit.best.error) fit.best = hinges.back();
  }
  fit.low = 1, fit.high = 0;
  for (const Hinge& hinge : hinges) {
    if (hinge.error > fit.best.error + tolerance) continue;
    fit.low = std::min(fit.low, hinge.knee);
    fit.high = std::max(fit.high, hinge.knee);
  }
  return fit;
}

std::vector<double> grid(double low, double high, std::span<const Point> points) {
  std::vector<double> knees;
  for (std::size_t i = 0; i < kGrid; ++i) knees.push_back(low + (high - low) * static_cast<double>(i) / kGrid);
  for (const Point& point : points)
    if (point.place >= low && point.place < high) knees.push_back(point.place);
  return knees;
}

/// Over the whole range, then about what fitted best.
HingeFit fit_hinge(std::span<const Point> points, double tolerance) {
  const HingeFit coarse = fit_on(points, grid(0, 1, points), tolerance);
  const double cell = 1.0 / kGrid;
  const auto finer = grid(std::max(0.0, coarse.low - cell), std::min(1.0, coarse.high + cell), points);
  return fit_on(points, finer, tolerance);
}

double variance_of(std::span<const double> values) {
  if (values.size() < 2) return 0;
  double mean = 0, sum = 0;
  for (const double value : values) mean += value / static_cast<double>(values.size());
  for (const double value : values) sum += (value - mean) * (value - mean);
  return sum / static_cast<double>(values.size() - 1);
}

class Fitter {
 public:
  Fitter(const DoseScale& scale, std::span<const DoseResponse> responses, double criterion)
      : responses_(responses.begin(), responses.end()), cap_(std::log1p(kCapOfCriterion * criterion)) {
    std::sort(responses_.begin(), responses_.end(), [&](const DoseResponse& a, const DoseResponse& b) {
      return scale.place_of(a.dose) < scale.place_of(b.dose);
    });
    double sum = 0;
    for (const DoseResponse& response : responses_) {
      places_.push_back(scale.place_of(response.dose));
      values_.push_back(hodges_lehmann(response.log_ratios));
      sum += std::abs(values_.back());
      noise_ += variance_of(response.log_ratios) / static_cast<double>(response.log_ratios.size());
    }
    noise_ /= static_cast<double>(responses_.size());
    tolerance_ = noise_ + 1e-9 * sum * sum;
    fit_ = fit_hinge(capped(values_), tolerance_);
    extra_sd_ = scatter_of_trials();
  }

  [[nodiscard]] const HingeFit& fit() const { return fit_; }

  /// Places of the last dose whose slowdown does not count, and of the next.
  [[nodiscard]] std::pair<double, double> crossing(double criterion) const {
    std::size_t next = values_.size();
    while (next > 0 && values_[next - 1] >= std::log1p(criterion)) --next;
    return {next > 0 ? places_[next - 1] : 0, next < places_.size() ? places_[next] : 1};
  }

  /// Knees, low and high, of resampled data.
  [[nodiscard]] std::pair<double, double> interval() const {
    std::vector<double> lows{fit_.low}, highs{fit_.high};
    std::mt19937_64 engine(kSeed);
    std::normal_distribution<double> normal;
    for (std::size_t i = 0; i < kReplicates; ++i) {
      std::vector<double> values;
      for (std::size_t j = 0; j < responses_.size(); ++j)
        values.push_back(resampled(j, engine) + extra_sd_ * normal(engine));
      const HingeFit fit = fit_hinge(capped(values), tolerance_);
      if (fit.best.rise <= 0) continue;
      lows.push_back(fit.low);
      highs.push_back(fit.high);
    }
    const double tail = (1 - kThresholdConfidence) / 2;
    return {quantile(lows, tail), quantile(highs, 1 - tail)};
  }

 private:
  static double quantile(std::vector<double>& values, double share) {
    std::sort(values.begin(), values.end());
    return values[static_cast<std::size_t>(std::lround(share * static_cast<double>(values.size() - 1)))];
  }

  [[nodiscard]] std::vector<Point> capped(const std::vector<double>& values) const {
    std::vector<Point> points;
    for (std::size_t i = 0; i < values.size(); ++i) points.push_back({places_[i], std::min(values[i], cap_)});
    return points;
  }

  [[nodiscard]] double resampled(std::size_t dose, std::mt19937_64& engine) const {
    const std::vector<double>& all = responses_[dose].log_ratios;
    const auto n = static_cast<double>(all.size());
    std::uniform_int_distribution<std::size_t> pick(0, all.size() - 1);
    std::vector<double> drawn;
    for (std::size_t i = 0; i < all.size(); ++i) drawn.push_back(all[pick(engine)]);
    const double widen = n > 1 ? std::sqrt(n / (n - 1)) : 1;
    return values_[dose] + widen * (hodges_lehmann(drawn) - values_[dose]);
  }

  /// How far trials lie off the fit beyond what their pairs explain; four figures were fitted.
  [[nodiscard]] double scatter_of_trials() const {
    const auto n = static_cast<double>(responses_.size());
    return n < 6 ? 0 : std::sqrt(std::max(0.0, fit_.best.error / (n - 4) - noise_));
  }

  std::vector<DoseResponse> responses_;  // in the order of their places
  double cap_;
  std::vector<double> places_{}, values_{};
  double noise_ = 0;      // variance of a dose's value, by its pairs
  double tolerance_ = 0;  // fits closer than one such variance cannot be told apart
  HingeFit fit_{};
  double extra_sd_ = 0;
};

}  // namespace

double DoseScale::place_of(double dose) const {
  const double place = linear ? (dose - from) / (to - from) : std::log(dose / from) / std::log(to / from);
  return harm_grows ? place : 1 - place;
}

double DoseScale::dose_at(double place) const {
  const double along = harm_grows ? place : 1 - place;
  return linear ? from + along * (to - from) : from * std::pow(to / from, along);
}

double DoseScale::round_dose_at(double place, bool whole) const {
  const double dose = dose_at(place);
  if (dose <= from || dose >= to || dose == 0) return dose;
  const double unit = std::pow(10.0, std::floor(std::log10(dose)) - 2);
  const double rounded = unit >= 1 ? std::round(dose / unit) * unit : std::round(dose / unit) / std::round(1 / unit);
  return std::clamp(whole ? std::round(rounded) : rounded, from, to);
}

bool DoseInterval::within(double resolution) const {
  return low > 0 && high <= low * (1 + resolution) * (1 + resolution);
}

ThresholdFit fit_threshold(const DoseScale& scale, std::span<const DoseResponse> responses, double criterion) {
  const Fitter fitter(scale, responses, criterion);
  const auto [low, high] = fitter.interval();
  const HingeFit& fit = fitter.fit();
  const double knee = std::clamp((fit.low + fit.high) / 2, low, high);
  const double end = std::clamp(fit.best.end, knee, 1.0);
  ThresholdFit result{
      .dose = scale.dose_at(knee), .flat = fit.best.flat, .rise = fit.best.rise, .knee_end = scale.dose_at(end)};
  const auto doses = [&](double from, double to) {
    const double a = scale.dose_at(from), b = scale.dose_at(to);
    return DoseInterval{std::min(a, b), std::max(a, b)};
  };
  result.interval = doses(low, high);
  const auto [below, above] = fitter.crossing(criterion);
  result.crossing = doses(below, above);
  return result;
}

double slowdown_of(const DoseResponse& response) { return std::expm1(hodges_lehmann(response.log_ratios)); }

bool harm_grows(const DoseResponse& at_from, const DoseResponse& at_to) {
  return hodges_lehmann(at_to.log_ratios) >= hodges_lehmann(at_from.log_ratios);
}

double next_place(const DoseScale& scale, const DoseInterval& interval, std::span<const DoseResponse> responses) {
  double low = scale.place_of(interval.low), high = scale.place_of(interval.high);
  if (low > high) std::swap(low, high);
  std::vector<double> places{low, high};
  for (const DoseResponse& response : responses)
    if (const double place = scale.place_of(response.dose); place > low && place < high) places.push_back(place);
  std::sort(places.begin(), places.end());
  std::size_t widest = 1;
  for (std::size_t i = 2; i < places.size(); ++i)
    if (places[i] - places[i - 1] > places[widest] - places[widest - 1]) widest = i;
  return (places[widest] + places[widest - 1]) / 2;
}

NoisyBisection::NoisyBisection(double noise) : noise_(noise), mass_(kCells + 2, 1.0 / 3 / kCells) {
  mass_.front() = mass_.back() = 1.0 / 3;
}

void NoisyBisection::answer(double place, bool yes) {
  double sum = 0;
  for (std::size_t i = 0; i < mass_.size(); ++i) {
    // The threshold of cell i is at its middle; those before the start and beyond the end are where no place is.
    const double threshold = i == 0 ? -1 : i > kCells ? 2 : (static_cast<double>(i) - 0.5) / kCells;
    mass_[i] *= (place >= threshold) == yes ? 1 - noise_ : noise_;
    sum += mass_[i];
  }
  for (double& mass : mass_) mass /= sum;
}

double NoisyBisection::next() const {
  constexpr double kLikely = 0.15;
  if (beyond_end() > kLikely && beyond_end() >= before_start()) return 1;
  if (before_start() > kLikely) return 0;
  return quantile(0.5);
}

double NoisyBisection::beyond_end() const { return mass_.back(); }
double NoisyBisection::before_start() const { return mass_.front(); }

double NoisyBisection::quantile(double share) const {
  const double wanted = share * (1 - mass_.front() - mass_.back());
  double sum = 0;
  for (std::size_t i = 1; i <= kCells; ++i) {
    if (sum + mass_[i] >= wanted)
      return (static_cast<double>(i - 1) + (mass_[i] > 0 ? (wanted - sum) / mass_[i] : 0)) / kCells;
    sum += mass_[i];
  }
  return 1;
}

}  // namespace grit
