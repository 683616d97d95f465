// Vendors' codes as ours: the one place of the module that knows what each of them means.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>
#include <new>
#include <string_view>

#include "workloads/accelerator/module.h"

namespace grit::accelerator {

/// Writes the sentence, cut where it is too long, and returns the code. `why` may be null.
std::int32_t fail(grit_why* why, std::int32_t code, std::int32_t vendor_code, std::string_view text);

/// GRIT_OK, or GRIT_PENDING for cudaErrorNotReady, or "CALL: what the runtime says of it".
std::int32_t check_cuda(cudaError_t code, std::string_view call, grit_why* why);

/// `body()` returns a code; memory of the host that is not there becomes one.
template <class Body>
std::int32_t guarded(grit_why* why, Body body) {
  try {
    return body();
  } catch (const std::bad_alloc&) {
    return fail(why, GRIT_NO_MEMORY, 0, "no memory of the host");
  }
}

}  // namespace grit::accelerator

/// The enclosing function returns the code unless it is GRIT_OK.
#define GRIT_MODULE_CHECK(expression)                                            \
  do {                                                                           \
    if (const std::int32_t code_ = (expression); code_ != GRIT_OK) return code_; \
  } while (false)
