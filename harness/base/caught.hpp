// Exceptions stop at a module's edge.
#pragma once

#include <exception>
#include <string>
#include <type_traits>

#include "harness/base/result.hpp"

namespace grit {

/// What `work` returns, a Result. An exception, which only a library or a bug of ours throws, is an internal error.
template <class Work>
std::invoke_result_t<Work> caught(Work&& work) {
  try {
    return work();
  } catch (const std::exception& error) {
    return internal_error(std::string("internal error: ") + error.what());
  }
}

}  // namespace grit
