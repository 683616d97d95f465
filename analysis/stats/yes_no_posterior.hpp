// Where does "yes" begin? The posterior of the place at which answers turn from one to the other, from answers that are
// wrong now and then and, near that place, like tosses of a coin.
//
// The chance of a yes is a logistic curve of the place between two lapse rates: how often a yes comes where there is
// none, and a no where there is one. Place, slope and both lapse rates are unknown, and kept together on a grid; what
// is told of the place is its marginal, so that a slope which is not known widens it. After the psi method (L. L.
// Kontsevich and C. W. Tyler, Vision Research 39, 1999) and QUEST+ (A. B. Watson, J. of Vision 17, 2017); lapse rates
// among the unknowns: N. Prins, J. of Vision 12 (2012). Theirs asks where the posterior's entropy is expected to fall
// most. Here the marginal's quartiles are asked by turns, which costs nothing: its median alone (probabilistic
// bisection: M. Horstein, IEEE Trans. Inf. Theory 9, 1963) never learns the slope, and takes twice as many questions.
//
// Whether yes is at the one end or at the other, or everywhere or nowhere, is learnt too: four shapes with a
// probability each.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <vector>

#include "harness/model/dose_scale.hpp"

namespace grit {

enum class AnswerShape { grows, falls, never, always };  // yes is at the greatest dose, the least, nowhere, everywhere

class YesNoPosterior {
 public:
  /// `scale`: its direction does not matter. `resolution`: how exactly the threshold is to be known; the grid is made
  /// for it. `noise`: how often an answer far from the threshold is wrong, above 0 and below one half; rates from a
  /// twentieth of it to twice as much are held possible. `grows`: what is expected of the shape, if anything; answers
  /// can still say otherwise.
  YesNoPosterior(const DoseScale& scale, double resolution, double noise, std::optional<bool> grows);
  void answer(double dose, bool yes);
  /// The dose to ask at: both ends first, then an end as long as there may well be no threshold between them, else
  /// where it is with a probability of 1/4 or 3/4, by turns, rounded as DoseScale does.
  [[nodiscard]] double next() const;

  [[nodiscard]] double probability(AnswerShape shape) const;
  /// `grows` or `falls`, whichever is likelier.
  [[nodiscard]] AnswerShape direction() const;
  /// The shape that is known to be the one, with 95 % and more; `grows` and `falls` only as the direction.
  [[nodiscard]] std::optional<AnswerShape> sure() const;
  /// Is there a threshold in the direction, with kThresholdConfidence?
  [[nodiscard]] bool is_between() const { return probability(direction()) > kThresholdConfidence; }
  /// Of the threshold, given the direction: a dose below which it is with this probability.
  [[nodiscard]] double quantile(double share) const;
  /// Holds the threshold with kThresholdConfidence. It is the one of 95 %: a search stops when its interval is narrow,
  /// which happens too soon where it is narrow by chance (tests/bench/threshold_calibration.cpp).
  [[nodiscard]] DoseInterval interval() const;

 private:
  /// One shape with one slope and one pair of lapse rates.
  struct Family {
    AnswerShape shape = AnswerShape::grows;
    std::size_t slope = 0;      // of slopes_; a shape without a threshold has none
    double yes_where_none = 0;  // lapse rates
    double no_where_one = 0;
    std::vector<double> mass{};  // of each threshold, a cell's middle; of a shape without a threshold one
    double sum = 0;
  };
  void add_families(AnswerShape shape, double noise, double prior);
  [[nodiscard]] std::vector<std::vector<double>> curves_at(double place) const;
  [[nodiscard]] static std::vector<double> chances(const Family& family,
                                                   const std::vector<std::vector<double>>& curves);
  [[nodiscard]] double chance_of_yes(AnswerShape shape, double place) const;
  [[nodiscard]] double told_by(double end) const;

  DoseScale scale_;                 // place 0 at the least dose
  std::size_t cells_;               // of the threshold's place
  std::vector<double> slopes_{};    // of the logistic curve, in places: its scales
  std::vector<Family> families_{};  // the masses of all of them sum to 1
  std::array<bool, 2> end_asked_{};
  int answers_ = 0;
  bool expects_falls_;
};

}  // namespace grit
