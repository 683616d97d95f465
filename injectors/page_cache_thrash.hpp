#pragma once

#include "injectors/injector.hpp"

namespace grit {

const Injector& page_cache_thrash();

}  // namespace grit
