#include "harness/base/result.hpp"

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace grit {

Failure usage_error(std::string message) { return Failure(Error{ErrorKind::usage, std::move(message)}); }

Failure unavailable_error(std::string message) { return Failure(Error{ErrorKind::unavailable, std::move(message)}); }

Failure internal_error(std::string message) { return Failure(Error{ErrorKind::internal, std::move(message)}); }

Failure errno_error(std::string_view what, int error_number) {
  return internal_error(std::string(what) + ": " + std::strerror(error_number));
}

Failure with_context(Error error, std::string_view context) {
  error.message = std::string(context) + ": " + error.message;
  return Failure(std::move(error));
}

void assertion_failed(const char* expression, const char* file, int line) {
  std::fprintf(stderr, "grit: internal assertion failed: %s at %s:%d\n", expression, file, line);
  std::abort();
}

}  // namespace grit
