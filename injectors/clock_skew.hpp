#pragma once

#include <cstdint>
#include <optional>

#include "injectors/injector.hpp"

namespace grit {

const Injector& clock_skew();

namespace clock_skew_math {
/// A wall clock's origin was `before`; the fault steps it by `offset`. Whether that step is in. Empty: cannot be told,
/// somebody else has set the clock meanwhile.
std::optional<bool> still_in(std::int64_t before_ns, std::int64_t now_ns, std::int64_t offset_ns);
}  // namespace clock_skew_math

}  // namespace grit
