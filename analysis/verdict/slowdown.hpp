// When a slowdown, or the throughput, is as a scenario expects it: from the intervals of all its statistics together.
#pragma once

#include <optional>
#include <span>

#include "harness/model/verdict.hpp"

namespace grit {

using BoundRule = std::optional<bool> (*)(std::span<const Effect> effects, double bound);

/// Is "slowdown at least x" met? Yes when the interval of the mean or of the median lies at or above x (both cover
/// together, see effect.hpp); no when both lie below it; else empty. Empty without effects.
std::optional<bool> slowdown_at_least(std::span<const Effect> effects, double bound);

/// Is "slowdown at most x" met? Yes when both intervals lie within -x .. x (equivalence: a large speed-up is as odd);
/// no when one lies above x; else empty. Empty without effects.
std::optional<bool> slowdown_at_most(std::span<const Effect> effects, double bound);

/// The same of throughput_effect(), as shares of the baseline's steps a second: 0.9 is a tenth fewer.
std::optional<bool> throughput_at_least(std::span<const Effect> effects, double share);
std::optional<bool> throughput_at_most(std::span<const Effect> effects, double share);

/// Some interval lies above 0.
bool slowdown_shown(std::span<const Effect> effects);

/// The one by which to say it: `preferred` where it alone gives the answer that all effects together give, else the
/// first one that does. Needs at least one effect.
const Effect& decisive_effect(std::span<const Effect> effects, const Effect& preferred, double bound, BoundRule rule);

}  // namespace grit
