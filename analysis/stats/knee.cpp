#include "analysis/stats/knee.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <random>
#include <utility>

#include "analysis/stats/sign_flip.hpp"

namespace grit {
namespace {

constexpr std::size_t kGrid = 60;         // breakpoints of the first look; the second is that much finer
constexpr std::size_t kReplicates = 200;  // enough for 5 % quantiles (Efron and Tibshirani, ch. 13: 200 and more)
// Less than 5 % on either side, for a search stops when its interval is narrow, which happens too soon where it is
// narrow by chance (tests/bench/threshold_calibration.cpp).
constexpr double kTail = 0.03;
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

/// The place from which on the hinge is at or above this height, its last place if it is nowhere.
double crossing_of(const Hinge& hinge, double height) {
  if (hinge.flat >= height) return 0;
  if (hinge.flat + hinge.rise <= height) return 1;
  return hinge.knee + (height - hinge.flat) / hinge.rise * (std::min(hinge.end, 1.0) - hinge.knee);
}

/// The best hinge, and where those that fit as well pass the height that counts: a step may be anywhere between two
/// doses.
struct HingeFit {
  Hinge best{};
  double first_knee = 1, last_knee = 0;
  double low = 1, high = 0;  // where they pass the height
};

/// The places of two doses next to each other between which nearly all of the rise lies: where in between it lies
/// cannot be told, however well a line through them fits.
std::optional<std::pair<double, double>> gap_of_rise(std::span<const Point> points, const Hinge& hinge) {
  constexpr double kNearly = 0.2;  // of the rise, on either side
  const double top = std::max_element(points.begin(), points.end(), [](const Point& a, const Point& b) {
                       return a.value < b.value;
                     })->value;
  const double rise = top - hinge.flat;
  for (std::size_t i = 1; i < points.size(); ++i)
    if (points[i - 1].value - hinge.flat < kNearly * rise && points[i].value - hinge.flat > (1 - kNearly) * rise)
      return std::pair(points[i - 1].place, points[i].place);
  return std::nullopt;
}

/// `tolerance`: sums of squares that differ by less are the same.
HingeFit fit_on(std::span<const Point> points, std::span<const double> knees, double tolerance, double height) {
  HingeFit fit;
  std::vector<Hinge> hinges;
  for (const double knee : knees) {
    hinges.push_back(fit_knee_at(points, knee));
    if (hinges.back().error < fit.best.error) fit.best = hinges.back();
  }
  for (const Hinge& hinge : hinges) {
    if (hinge.error > fit.best.error + tolerance) continue;
    fit.first_knee = std::min(fit.first_knee, hinge.knee);
    fit.last_knee = std::max(fit.last_knee, hinge.knee);
    fit.low = std::min(fit.low, crossing_of(hinge, height));
    fit.high = std::max(fit.high, crossing_of(hinge, height));
  }
  if (const auto gap = gap_of_rise(points, fit.best)) {
    fit.low = std::min(fit.low, gap->first);
    fit.high = std::max(fit.high, gap->second);
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
HingeFit fit_hinge(std::span<const Point> points, double tolerance, double height) {
  const HingeFit coarse = fit_on(points, grid(0, 1, points), tolerance, height);
  const double cell = 1.0 / kGrid;
  const auto finer = grid(std::max(0.0, coarse.first_knee - cell), std::min(1.0, coarse.last_knee + cell), points);
  return fit_on(points, finer, tolerance, height);
}

double variance_of(std::span<const double> values) {
  if (values.size() < 2) return 0;
  double mean = 0, sum = 0;
  for (const double value : values) mean += value / static_cast<double>(values.size());
  for (const double value : values) sum += (value - mean) * (value - mean);
  return sum / static_cast<double>(values.size() - 1);
}

/// By how much the variance of a mean of pairs is above that of pairs that know nothing of each other: what one pair
/// has, the next has a part of. From the pairs' correlation with the next over all trials, with the bias of their own
/// means taken off (M. H. Quenouille, JRSS B 11, 1949: 1 in n); never below 1.
double correlation_factor(std::span<const DoseResponse> responses) {
  double products = 0, squares = 0, neighbours = 0, count = 0;
  for (const DoseResponse& response : responses) {
    const std::vector<double>& all = response.log_ratios;
    const double mean = std::accumulate(all.begin(), all.end(), 0.0) / static_cast<double>(all.size());
    for (std::size_t i = 0; i < all.size(); ++i) {
      squares += (all[i] - mean) * (all[i] - mean);
      if (i > 0) products += (all[i] - mean) * (all[i - 1] - mean);
    }
    neighbours += static_cast<double>(all.size() - 1), count += static_cast<double>(all.size());
  }
  if (squares <= 0 || neighbours <= 0) return 1;
  const double pairs = count / static_cast<double>(responses.size());
  const double correlation = std::clamp(products / neighbours / (squares / count) + 1 / pairs, 0.0, 0.9);
  double factor = 1, power = 1;
  for (double apart = 1; apart < pairs; ++apart) {
    power *= correlation;
    factor += 2 * (1 - apart / pairs) * power;
  }
  return factor;
}

class Fitter {
 public:
  Fitter(const DoseScale& scale, std::span<const DoseResponse> responses, double criterion)
      : height_(std::log1p(criterion)), cap_(std::log1p(kCapOfCriterion * criterion)) {
    std::map<double, DoseResponse> by_place;
    for (const DoseResponse& response : responses) {
      DoseResponse& all = by_place[scale.place_of(response.dose)];
      all.dose = response.dose;
      all.log_ratios.insert(all.log_ratios.end(), response.log_ratios.begin(), response.log_ratios.end());
    }
    double sum = 0;
    for (auto& [place, response] : by_place) responses_.push_back(std::move(response));
    for (const DoseResponse& response : responses_) {
      places_.push_back(scale.place_of(response.dose));
      values_.push_back(hodges_lehmann(response.log_ratios));
      sum += std::abs(values_.back());
      noise_ += variance_of(response.log_ratios) / static_cast<double>(response.log_ratios.size());
    }
    const double factor = correlation_factor(responses_);
    noise_ *= factor / static_cast<double>(responses_.size());
    correlated_ = std::sqrt(factor);
    tolerance_ = noise_ + 1e-9 * sum * sum;
    fit_ = fit_hinge(capped(values_), tolerance_, height_);
    extra_sd_ = scatter_of_trials();
  }

  [[nodiscard]] const HingeFit& fit() const { return fit_; }
  [[nodiscard]] int doses() const { return static_cast<int>(responses_.size()); }

  /// Where resampled data pass the height, from the lowest to the highest, and the measured doses around where these
  /// do.
  [[nodiscard]] std::pair<double, double> interval() const {
    std::vector<double> lows{fit_.low}, highs{fit_.high};
    std::mt19937_64 engine(kSeed);
    std::normal_distribution<double> normal;
    for (std::size_t i = 0; i < kReplicates; ++i) {
      std::vector<double> values;
      for (std::size_t j = 0; j < responses_.size(); ++j)
        values.push_back(resampled(j, engine) + extra_sd_ * normal(engine));
      const HingeFit fit = fit_hinge(capped(values), tolerance_, height_);
      if (fit.best.rise <= 0) continue;
      lows.push_back(fit.low);
      highs.push_back(fit.high);
    }
    const auto [below, above] = measured_around();
    return {std::min(quantile(lows, kTail), below), std::max(quantile(highs, 1 - kTail), above)};
  }

 private:
  static double quantile(std::vector<double>& values, double share) {
    std::sort(values.begin(), values.end());
    return values[static_cast<std::size_t>(std::lround(share * static_cast<double>(values.size() - 1)))];
  }

  /// Places of the last dose whose slowdown does not count, and of the next.
  [[nodiscard]] std::pair<double, double> measured_around() const {
    std::size_t next = values_.size();
    while (next > 0 && values_[next - 1] >= height_) --next;
    return {next > 0 ? places_[next - 1] : 0, next < places_.size() ? places_[next] : 1};
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
    const double widen = correlated_ * (n > 1 ? std::sqrt(n / (n - 1)) : 1);
    return values_[dose] + widen * (hodges_lehmann(drawn) - values_[dose]);
  }

  /// How far trials may lie off the fit beyond what their pairs explain: a trial has something of its own, and pairs
  /// follow each other. Four figures were fitted, and of what few trials are left over the scatter is hardly known:
  /// so as much as the 95 % quantile of Student's t is above the normal one's.
  [[nodiscard]] double scatter_of_trials() const {
    constexpr std::array<double, 6> kStudent{3.84, 1.78, 1.43, 1.30, 1.22, 1.18};  // by degrees of freedom, from 1
    constexpr std::size_t kFitted = 4;
    if (responses_.size() <= kFitted) return 0;
    const std::size_t freedom = responses_.size() - kFitted;
    const double student = kStudent[std::min(freedom, kStudent.size()) - 1];
    return std::sqrt(std::max(0.0, student * student * fit_.best.error / static_cast<double>(freedom) - noise_));
  }

  std::vector<DoseResponse> responses_{};  // one a dose, in the order of their places
  double height_, cap_;                    // of a response: that which counts, and where it is cut off, log
  std::vector<double> places_{}, values_{};
  double noise_ = 0;       // variance of a dose's value, by its pairs
  double correlated_ = 1;  // by which its standard deviation is larger than that of independent pairs
  double tolerance_ = 0;   // fits closer than one such variance cannot be told apart
  HingeFit fit_{};
  double extra_sd_ = 0;
};

}  // namespace

bool KneeFit::known(const DoseScale& scale, double resolution) const {
  constexpr double kFewestDoses = 5;  // below, a line through noise can look exact
  const double enough = scale.whole ? std::min(kFewestDoses, scale.to - scale.from + 1) : kFewestDoses;
  return doses >= enough && scale.is_within(interval, resolution);
}

KneeFit fit_knee(const DoseScale& scale, std::span<const DoseResponse> responses, double criterion) {
  const Fitter fitter(scale, responses, criterion);
  const auto [low, high] = fitter.interval();
  const HingeFit& fit = fitter.fit();
  const double threshold = std::clamp((fit.low + fit.high) / 2, low, high);
  const double end = std::clamp(fit.best.end, fit.best.knee, 1.0);
  const double a = scale.dose_at(low), b = scale.dose_at(high);
  return {.dose = scale.dose_at(threshold),
          .interval = {std::min(a, b), std::max(a, b)},
          .knee = scale.dose_at(std::min(fit.best.knee, threshold)),
          .flat = fit.best.flat,
          .rise = fit.best.rise,
          .knee_end = scale.dose_at(end),
          .doses = fitter.doses()};
}

double slowdown_of(const DoseResponse& response) { return std::expm1(hodges_lehmann(response.log_ratios)); }

bool harm_grows(const DoseResponse& at_from, const DoseResponse& at_to) {
  return hodges_lehmann(at_to.log_ratios) >= hodges_lehmann(at_from.log_ratios);
}

std::optional<double> next_dose(const DoseScale& scale, const DoseInterval& interval,
                                std::span<const DoseResponse> responses) {
  const auto [low, high] = std::minmax({scale.place_of(interval.low), scale.place_of(interval.high)});
  std::map<double, int> tries;  // by dose
  for (const DoseResponse& response : responses) ++tries[response.dose];
  std::vector<double> places{low, high};
  for (const auto& [dose, count] : tries)
    if (const double place = scale.place_of(dose); place > low && place < high) places.push_back(place);
  std::sort(places.begin(), places.end());
  std::vector<std::pair<double, double>> gaps;  // how wide, and the middle
  for (std::size_t i = 1; i < places.size(); ++i)
    gaps.emplace_back(places[i] - places[i - 1], (places[i] + places[i - 1]) / 2);
  std::sort(gaps.rbegin(), gaps.rend());
  for (const auto& [width, middle] : gaps)
    if (const double dose = scale.round_dose_at(middle); !tries.contains(dose)) return dose;
  // The doses within, and the next one on either side.
  auto first = tries.upper_bound(interval.low), last = tries.lower_bound(interval.high);
  if (first != tries.begin()) --first;
  if (last != tries.end()) ++last;
  const auto least = std::min_element(first, last, [](const auto& a, const auto& b) { return a.second < b.second; });
  return least != last && least->second < kTriesAtADose ? std::optional(least->first) : std::nullopt;
}

}  // namespace grit
