#include <sys/resource.h>

#include "harness/os/open_files.hpp"
#include "tests/catch.hpp"
#include "tests/unit/record/support.hpp"

namespace grit {
namespace {

TEST_CASE("as many files may be open as the hard limit allows, and fewer than needed is said") {
  const std::string report = test::in_child([]() -> std::string {
    const rlimit low{64, 512};
    if (::setrlimit(RLIMIT_NOFILE, &low) != 0) return "setrlimit";
    if (const auto allowed = allow_open_files(512); !allowed) return allowed.error().message;
    rlimit now{};
    ::getrlimit(RLIMIT_NOFILE, &now);
    if (now.rlim_cur != 512) return "the soft limit is " + std::to_string(now.rlim_cur);
    const auto refused = allow_open_files(513);
    if (refused) return "513 of 512 were allowed";
    if (refused.error().kind != ErrorKind::unavailable) return "the wrong kind of error";
    return refused.error().message.find("513 open files are needed and 512 allowed") == 0 ? ""
                                                                                          : refused.error().message;
  });
  CHECK(report == "");
}

}  // namespace
}  // namespace grit
