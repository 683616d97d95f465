#include "harness/record/write_error.hpp"

#include <fmt/format.h>

#include <cerrno>

namespace grit {

Failure write_error(std::string_view what, int error_number) {
  switch (error_number) {
    case ENOSPC:
      return unavailable_error(
          fmt::format("{}: the disk is full; free some space there, or choose another --out", what));
    case EDQUOT:
      return unavailable_error(
          fmt::format("{}: your disk quota is used up; free some space there, or choose another --out", what));
    case EROFS:
      return unavailable_error(fmt::format("{}: the file system is read-only; choose another --out", what));
    case EACCES:
    case EPERM:
      return unavailable_error(fmt::format(
          "{}: you have no permission to write there; choose another --out, or change the permissions", what));
    case EFBIG:
      return unavailable_error(
          fmt::format("{}: the limit on file sizes is reached; raise it (ulimit -f unlimited)", what));
    default:
      return errno_error(what, error_number);
  }
}

}  // namespace grit
