#include "harness/os/open_files.hpp"

#include <fmt/format.h>
#include <sys/resource.h>

namespace grit {

Status allow_open_files(std::size_t needed) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return errno_error("getrlimit(RLIMIT_NOFILE)");
  limit.rlim_cur = limit.rlim_max;
  if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) return errno_error("setrlimit(RLIMIT_NOFILE)");
  if (limit.rlim_max >= needed) return {};
  return unavailable_error(
      fmt::format("{} open files are needed and {} allowed: raise the limit (`ulimit -Hn {}` in the job's script, or "
                  "LimitNOFILE= of the service that starts it)",
                  needed, limit.rlim_max, needed));
}

}  // namespace grit
