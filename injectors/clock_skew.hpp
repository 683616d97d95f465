#pragma once

#include <cstdint>

#include "injectors/injector.hpp"

namespace grit {

const Injector& clock_skew();

namespace clock_skew_math {
/// A wall clock's origin was `before`; the fault steps it by `offset`. Whether the origin of now is nearer to the
/// stepped one: then the step is still in, whatever else has set the clock meanwhile.
bool still_in(std::int64_t before_ns, std::int64_t now_ns, std::int64_t offset_ns);
}  // namespace clock_skew_math

}  // namespace grit
