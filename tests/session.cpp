// The parts of Catch2 that every test program needs, compiled once.
#define CATCH_CONFIG_RUNNER
#include <sys/mman.h>

#include <atomic>
#include <cstdio>
#include <new>
#include <string>

#include "tests/catch.hpp"

namespace grit::test {
namespace {

/// Set when something was skipped; in memory that forked children share.
std::atomic<bool>& was_skipped() {
  static auto* const flag = [] {
    void* const shared =
        ::mmap(nullptr, sizeof(std::atomic<bool>), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) throw std::bad_alloc();
    return new (shared) std::atomic<bool>(false);
  }();
  return *flag;
}

}  // namespace

void skip(std::string_view why) {
  std::printf("skipped: %s\n", std::string(why).c_str());
  std::fflush(stdout);
  was_skipped() = true;
}

int run_tests(int argc, char** argv) {
  const std::atomic<bool>& skipped = was_skipped();  // made before any test forks
  if (Catch::Session().run(argc, argv) != 0) return 1;
  return skipped ? kSkippedExitCode : 0;
}

}  // namespace grit::test
