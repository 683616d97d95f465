// Result<T>: what an operation that can fail returns. No exception crosses a module's border.
//
// An Error is a failure of the harness or of its input. A fault that was injected on purpose is an event of the run and
// never travels this way. The kind of an Error is the exit code of the process it ends (sysexits.h(3)).
#pragma once

#include <cerrno>
#include <cstdint>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

namespace grit {

enum class ErrorKind : int {
  usage = 64,        // EX_USAGE: the command line or the scenario is wrong; the user can mend it
  unavailable = 69,  // EX_UNAVAILABLE: this machine lacks a privilege, a device or a kernel feature
  internal = 70,     // EX_SOFTWARE: grit failed, or a fault could not be reverted
};

struct Error {
  ErrorKind kind = ErrorKind::internal;
  std::string message;  // what went wrong and, where the user can act, what to do about it
};

template <class T>
using Result = tl::expected<T, Error>;
using Status = Result<void>;
using Failure = tl::unexpected<Error>;

[[nodiscard]] Failure usage_error(std::string message);
[[nodiscard]] Failure unavailable_error(std::string message);
[[nodiscard]] Failure internal_error(std::string message);

/// An internal error "WHAT: strerror(error_number)".
[[nodiscard]] Failure errno_error(std::string_view what, int error_number = errno);

/// The same error, its message prefixed by "CONTEXT: ". Added once a layer.
[[nodiscard]] Failure with_context(Error error, std::string_view context);

/// A broken promise of our own code ends the process, in release builds too.
[[noreturn]] void assertion_failed(const char* expression, const char* file, int line);

}  // namespace grit

#define GRIT_ASSERT(expression) \
  ((expression) ? static_cast<void>(0) : ::grit::assertion_failed(#expression, __FILE__, __LINE__))

#define GRIT_CONCAT_INNER(a, b) a##b
#define GRIT_CONCAT(a, b) GRIT_CONCAT_INNER(a, b)

/// GRIT_TRY(auto x, f()): x is the value of f(), or the enclosing function returns f()'s error.
#define GRIT_TRY(declaration, expression)                                              \
  auto GRIT_CONCAT(grit_try_, __LINE__) = (expression);                                \
  if (!GRIT_CONCAT(grit_try_, __LINE__))                                               \
    return ::tl::make_unexpected(std::move(GRIT_CONCAT(grit_try_, __LINE__)).error()); \
  declaration = std::move(*GRIT_CONCAT(grit_try_, __LINE__))

/// GRIT_CHECK(f()): the enclosing function returns f()'s error if f() failed.
#define GRIT_CHECK(expression)                                                                                    \
  do {                                                                                                            \
    if (auto grit_check = (expression); !grit_check) return ::tl::make_unexpected(std::move(grit_check).error()); \
  } while (false)
