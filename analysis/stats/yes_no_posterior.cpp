#include "analysis/stats/yes_no_posterior.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

namespace grit {
namespace {

// The logistic curve's scale goes from a tenth of the width asked for, as good as a step, to a curve that fills the
// range.
constexpr double kWidestSlope = 0.28;  // of the range; the curve's middle half is 2.2 scales wide
constexpr double kSlopeRatio = 3;
constexpr double kCellsAWidth = 10;
constexpr std::array<double, 3> kLapses{0.05, 1, 2};  // times the noise
constexpr double kMostLapse = 0.45;

/// Before any answer: a search is started by somebody who has seen both yes and no.
constexpr double kThresholdPrior = 0.7;  // that there is one between the ends
constexpr double kExpectedPrior = 0.95;  // then: that it is as expected, where something is

bool has_threshold(AnswerShape shape) { return shape == AnswerShape::grows || shape == AnswerShape::falls; }

constexpr std::array<AnswerShape, 4> kShapes{AnswerShape::grows, AnswerShape::falls, AnswerShape::never,
                                             AnswerShape::always};

double entropy(double chance) {
  const double other = 1 - chance;
  return (chance > 0 ? -chance * std::log(chance) : 0) + (other > 0 ? -other * std::log(other) : 0);
}

}  // namespace

YesNoPosterior::YesNoPosterior(const DoseScale& scale, double resolution, double noise, std::optional<bool> grows)
    : scale_(scale),
      cells_(static_cast<std::size_t>(std::clamp(std::ceil(kCellsAWidth / scale.width_of(resolution)), 64.0, 4096.0))),
      expects_falls_(grows == false) {
  scale_.harm_grows = true;
  for (double slope = kWidestSlope; slope > scale.width_of(resolution) / 20; slope /= kSlopeRatio)
    slopes_.push_back(slope);
  const double one_end = kThresholdPrior * (grows ? kExpectedPrior : 0.5);
  for (const AnswerShape shape : kShapes) {
    const bool expected = (shape == AnswerShape::falls) == expects_falls_;
    add_families(shape, noise,
                 !has_threshold(shape) ? (1 - kThresholdPrior) / 2
                 : expected            ? one_end
                                       : kThresholdPrior - one_end);
  }
}

void YesNoPosterior::add_families(AnswerShape shape, double noise, double prior) {
  const std::size_t slopes = has_threshold(shape) ? slopes_.size() : 1, cells = has_threshold(shape) ? cells_ : 1;
  const double sum = prior / static_cast<double>(slopes * kLapses.size() * kLapses.size());
  for (std::size_t slope = 0; slope < slopes; ++slope)
    for (const double yes : kLapses)
      for (const double no : kLapses)
        families_.push_back({shape, slope, std::min(yes * noise, kMostLapse), std::min(no * noise, kMostLapse),
                             std::vector<double>(cells, sum / static_cast<double>(cells)), sum});
}

/// At `place`, for each slope and each threshold: the rising logistic curve.
std::vector<std::vector<double>> YesNoPosterior::curves_at(double place) const {
  std::vector<std::vector<double>> curves;
  for (const double slope : slopes_) {
    std::vector<double>& curve = curves.emplace_back(cells_);
    for (std::size_t cell = 0; cell < cells_; ++cell)
      curve[cell] =
          1 / (1 + std::exp(((static_cast<double>(cell) + 0.5) / static_cast<double>(cells_) - place) / slope));
  }
  return curves;
}

/// Of a yes, for each threshold of the family.
std::vector<double> YesNoPosterior::chances(const Family& family, const std::vector<std::vector<double>>& curves) {
  const double least = family.yes_where_none, range = 1 - family.yes_where_none - family.no_where_one;
  if (family.shape == AnswerShape::never) return {least};
  if (family.shape == AnswerShape::always) return {least + range};
  std::vector<double> chances = curves[family.slope];
  for (double& chance : chances) chance = least + range * (family.shape == AnswerShape::grows ? chance : 1 - chance);
  return chances;
}

void YesNoPosterior::answer(double dose, bool yes) {
  const double place = scale_.place_of(dose);
  if (dose <= scale_.from) end_asked_[0] = true;
  if (dose >= scale_.to) end_asked_[1] = true;
  ++answers_;
  const auto curves = curves_at(place);
  double all = 0;
  for (Family& family : families_) {
    const std::vector<double> chance = chances(family, curves);
    family.sum = 0;
    for (std::size_t cell = 0; cell < family.mass.size(); ++cell)
      family.sum += family.mass[cell] *= yes ? chance[cell] : 1 - chance[cell];
    all += family.sum;
  }
  // What is out of the question is not carried along.
  constexpr double kForgotten = 1e-9;
  std::erase_if(families_, [&](const Family& family) { return family.sum < kForgotten * all; });
  for (Family& family : families_) {
    for (double& mass : family.mass) mass /= all;
    family.sum /= all;
  }
}

double YesNoPosterior::probability(AnswerShape shape) const {
  double sum = 0;
  for (const Family& family : families_)
    if (family.shape == shape) sum += family.sum;
  return sum;
}

AnswerShape YesNoPosterior::direction() const {
  const double grows = probability(AnswerShape::grows), falls = probability(AnswerShape::falls);
  const bool likelier_falls = grows == falls ? expects_falls_ : falls > grows;
  return likelier_falls ? AnswerShape::falls : AnswerShape::grows;
}

std::optional<AnswerShape> YesNoPosterior::sure() const {
  constexpr double kSure = 0.95;
  for (const AnswerShape shape : kShapes)
    if (probability(shape) > kSure) return shape;
  return std::nullopt;
}

/// Of a yes at `place` and of the shape, together.
double YesNoPosterior::chance_of_yes(AnswerShape shape, double place) const {
  const auto curves = curves_at(place);
  double sum = 0;
  for (const Family& family : families_) {
    if (family.shape != shape) continue;
    const std::vector<double> chance = chances(family, curves);
    sum += std::inner_product(family.mass.begin(), family.mass.end(), chance.begin(), 0.0);
  }
  return sum;
}

/// What an answer at this end is expected to tell of the shape (mutual information, nats).
double YesNoPosterior::told_by(double end) const {
  double yes = 0, given_shape = 0;
  for (const AnswerShape shape : kShapes) {
    const double probable = probability(shape), together = chance_of_yes(shape, end);
    yes += together;
    if (probable > 0) given_shape += probable * entropy(std::min(1.0, together / probable));
  }
  return entropy(std::min(1.0, yes)) - given_shape;
}

double YesNoPosterior::next() const {
  constexpr double kDoubt = 0.15;
  const bool calm = expects_falls_;  // the end that is likely to be without harm comes first: 0 the least dose
  for (const bool end : {calm, !calm})
    if (!end_asked_[end ? 1 : 0]) return end ? scale_.to : scale_.from;
  if (1 - probability(direction()) > kDoubt) return told_by(0) > told_by(1) ? scale_.from : scale_.to;
  return scale_.round_dose_at(scale_.place_of(quantile(answers_ % 2 == 0 ? 0.25 : 0.75)));
}

double YesNoPosterior::quantile(double share) const {
  const AnswerShape shape = direction();
  std::vector<double> marginal(cells_, 0.0);
  for (const Family& family : families_)
    if (family.shape == shape)
      std::transform(family.mass.begin(), family.mass.end(), marginal.begin(), marginal.begin(), std::plus<>());
  const double wanted = share * probability(shape);
  double sum = 0;
  for (std::size_t cell = 0; cell < cells_; ++cell) {
    if (sum + marginal[cell] >= wanted && marginal[cell] > 0)
      return scale_.dose_at((static_cast<double>(cell) + std::clamp((wanted - sum) / marginal[cell], 0.0, 1.0)) /
                            static_cast<double>(cells_));
    sum += marginal[cell];
  }
  return scale_.to;
}

DoseInterval YesNoPosterior::interval() const {
  constexpr double kTail = 0.025;
  return {quantile(kTail), quantile(1 - kTail)};
}

}  // namespace grit
