#include "analysis/simulate/words.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "analysis/facts/wording.hpp"
#include "harness/base/units.hpp"

namespace grit {
namespace {

constexpr std::string_view kEverything = "everything (played upward from a run of ";

}  // namespace

std::string emulated_by_simulation(const Prediction& prediction) {
  return fmt::format("{}{} ranks)", kEverything, prediction.ranks_measured);
}

bool is_simulated(const Plan& plan) {
  return std::any_of(plan.emulated.begin(), plan.emulated.end(),
                     [](const std::string& part) { return part.starts_with(kEverything); });
}

std::vector<std::string> prediction_sentences(const Prediction& prediction) {
  std::vector<std::string> sentences{
      fmt::format("predicted for {} ranks: a step takes {} without a fault (95 % interval {} .. {}; with {} measured "
                  "ranks {})",
                  prediction.ranks, format_duration(prediction.step_ns.value), format_duration(prediction.step_ns.low),
                  format_duration(prediction.step_ns.high), prediction.ranks_measured,
                  format_duration(prediction.measured_step_ns))};
  if (prediction.cost && prediction.cost_ns)
    sentences.push_back(fmt::format(
        "predicted for {} ranks: the fault costs {} of a step (95 % interval {} .. {}; with {} measured ranks {}), {} "
        "a step",
        prediction.ranks, signed_percent(prediction.cost->value, Digits::tenths),
        signed_percent(prediction.cost->low, Digits::tenths), signed_percent(prediction.cost->high, Digits::tenths),
        prediction.ranks_measured, signed_percent(*prediction.measured_cost, Digits::tenths),
        format_duration(prediction.cost_ns->value)));
  sentences.insert(sentences.end(), prediction.warnings.begin(), prediction.warnings.end());
  return sentences;
}

}  // namespace grit
