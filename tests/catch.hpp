// Catch2, whose header Debian 12 (Catch2 2) and Ubuntu 24.04 (Catch2 3) name differently, and what Catch2 2 lacks: a
// test that says it cannot run here.
#pragma once
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
using Catch::Approx;
#else
#include <catch2/catch.hpp>
#endif

#include <string_view>

namespace grit::test {

/// What a test program ends with when nothing failed and something was skipped: ctest's SKIP_RETURN_CODE.
constexpr int kSkippedExitCode = 77;

/// Prints why this test, or a part of it, cannot run here ("skipped: WHY"); the caller returns. ctest then shows the
/// test as skipped, unless it also failed. May be called in a child process that the test forked.
void skip(std::string_view why);

/// Runs the tests that the command line names. 0: all passed; 1: one failed, or the command line is wrong;
/// kSkippedExitCode: none failed, one was skipped.
int run_tests(int argc, char** argv);

}  // namespace grit::test
