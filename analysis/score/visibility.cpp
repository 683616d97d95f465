#include "analysis/score/visibility.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>

#include "analysis/stats/knee.hpp"

namespace grit {
namespace {

/// Is the damage shown to make steps longer at all?
bool is_harmful(const DamageCell& damage) {
  const std::vector<Effect> effects = paired_effects(damage.step_times);
  return !effects.empty() && effects.front().ci_low > 0;
}

/// By the least dose whose harm is shown, and is so large: what scatters most must not have the word.
void set_harm(const ScoreInput& input, DoseSeries& series) {
  std::vector<DoseResponse> responses;
  std::optional<std::size_t> first;
  for (const int cell : series.cells) {
    const DamageCell& damage = input.cells[static_cast<std::size_t>(cell)];
    if (damage.step_times.empty()) continue;
    DoseResponse& response = responses.emplace_back(DoseResponse{*damage.dose, {}});
    for (const PairTimes& pair : damage.step_times)
      response.log_ratios.push_back(std::log(pair.fault_mean_ns / pair.baseline_mean_ns));
    if (!first && slowdown_of(response) >= kHurts && is_harmful(damage)) first = responses.size() - 1;
  }
  if (responses.size() < 2 || !first) return;
  series.hurts_from = responses[*first].dose;
  series.hurts_at_least = *first == 0;
  if (series.hurts_at_least) return;
  const double fitted = series.scale.place_of(fit_knee(series.scale, responses, kHurts).dose);
  series.hurts_from = series.scale.dose_at(std::clamp(fitted, series.scale.place_of(responses[*first - 1].dose),
                                                      series.scale.place_of(responses[*first].dose)));
}

/// Shown to be found where it does not hurt yet, or shown to be missed where it does. Where all that was tried hurts
/// nothing is known of what does not.
std::optional<bool> is_found_before(const DoseSeries& series, const DemonstratedDose& demonstrated) {
  if (!series.hurts_from) return std::nullopt;
  const double hurts = series.scale.place_of(*series.hurts_from);
  if (!series.hurts_at_least && demonstrated.found_from && series.scale.place_of(*demonstrated.found_from) < hurts)
    return true;
  if (demonstrated.missed_up_to && series.scale.place_of(*demonstrated.missed_up_to) >= hurts) return false;
  return std::nullopt;
}

}  // namespace

std::vector<DoseSeries> dose_series(const ScoreInput& input) {
  std::map<std::tuple<std::string, std::string, std::string, std::string>, std::vector<int>> groups;
  for (std::size_t cell = 0; cell < input.cells.size(); ++cell) {
    const DamageCell& damage = input.cells[cell];
    if (damage.dose && *damage.dose > 0)
      groups[{damage.fault, damage.mechanism, damage.unit, damage.besides}].push_back(static_cast<int>(cell));
  }
  std::vector<DoseSeries> all;
  for (auto& [name, cells] : groups) {
    const auto dose_of = [&](int cell) { return *input.cells[static_cast<std::size_t>(cell)].dose; };
    const auto [least, most] =
        std::minmax_element(cells.begin(), cells.end(), [&](int a, int b) { return dose_of(a) < dose_of(b); });
    if (dose_of(*least) >= dose_of(*most)) continue;
    DoseSeries series{.fault = std::get<0>(name), .mechanism = std::get<1>(name), .unit = std::get<2>(name)};
    series.besides = std::get<3>(name);
    series.scale = {.from = dose_of(*least),
                    .to = dose_of(*most),
                    .harm_grows = input.cells[static_cast<std::size_t>(cells.front())].harm_grows};
    series.cells = std::move(cells);
    std::sort(series.cells.begin(), series.cells.end(),
              [&](int a, int b) { return series.scale.place_of(dose_of(a)) < series.scale.place_of(dose_of(b)); });
    set_harm(input, series);
    all.push_back(std::move(series));
  }
  return all;
}

std::vector<Visibility> visibilities(const ScoreInput& input, const std::vector<DoseSeries>& series,
                                     const std::vector<Recall>& recalls) {
  std::vector<Visibility> all;
  for (std::size_t check = 0; check < input.checks.size(); ++check)
    for (std::size_t i = 0; i < series.size(); ++i) {
      Visibility one{static_cast<int>(check), static_cast<int>(i), {}, {}, {}, {}};
      bool credited = false;
      double chance = 0;
      for (const int cell : series[i].cells) {
        const Recall& recall = recalls[check * input.cells.size() + static_cast<std::size_t>(cell)];
        credited |= recall.credited;
        if (recall.of > 0)
          one.hits.push_back({*input.cells[static_cast<std::size_t>(cell)].dose, recall.found, recall.of});
        // Of the longest windows: the chance is then rather too large than too small.
        if (recall.shams > 0) chance = std::max(chance, static_cast<double>(recall.shams_fired) / recall.shams);
      }
      const auto demonstrated = demonstrated_dose(series[i].scale, one.hits);
      if (!credited || !demonstrated) continue;
      one.demonstrated = *demonstrated;
      one.curve = detection_curve(series[i].scale, one.hits, std::min(chance, 0.99));
      one.before_it_hurts = is_found_before(series[i], one.demonstrated);
      all.push_back(std::move(one));
    }
  return all;
}

}  // namespace grit
