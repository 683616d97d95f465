#include "analysis/verdict/slowdown.hpp"

#include <algorithm>

namespace grit {

std::optional<bool> slowdown_at_least(std::span<const Effect> effects, double bound) {
  if (effects.empty()) return std::nullopt;
  if (std::any_of(effects.begin(), effects.end(), [&](const Effect& e) { return e.ci_low >= bound; })) return true;
  if (std::all_of(effects.begin(), effects.end(), [&](const Effect& e) { return e.ci_high < bound; })) return false;
  return std::nullopt;
}

std::optional<bool> slowdown_at_most(std::span<const Effect> effects, double bound) {
  if (effects.empty()) return std::nullopt;
  if (std::any_of(effects.begin(), effects.end(), [&](const Effect& e) { return e.ci_low > bound; })) return false;
  const auto within = [&](const Effect& e) { return e.ci_low >= -bound && e.ci_high <= bound; };
  if (std::all_of(effects.begin(), effects.end(), within)) return true;
  return std::nullopt;
}

std::optional<bool> throughput_at_least(std::span<const Effect> effects, double share) {
  if (effects.empty()) return std::nullopt;
  if (1 + effects.front().ci_low >= share) return true;
  return 1 + effects.front().ci_high < share ? std::optional<bool>(false) : std::nullopt;
}

std::optional<bool> throughput_at_most(std::span<const Effect> effects, double share) {
  if (effects.empty()) return std::nullopt;
  if (1 + effects.front().ci_high <= share) return true;
  return 1 + effects.front().ci_low > share ? std::optional<bool>(false) : std::nullopt;
}

bool slowdown_shown(std::span<const Effect> effects) {
  return std::any_of(effects.begin(), effects.end(), [](const Effect& e) { return e.ci_low > 0; });
}

const Effect& decisive_effect(std::span<const Effect> effects, const Effect& preferred, double bound, BoundRule rule) {
  const std::optional<bool> answer = rule(effects, bound);
  if (rule({&preferred, 1}, bound) == answer) return preferred;
  for (const Effect& effect : effects)
    if (rule({&effect, 1}, bound) == answer) return effect;
  return preferred;
}

}  // namespace grit
