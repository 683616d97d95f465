// A check as its runner reads it, on a node and on trees of files of the test's own.
#pragma once

#include <algorithm>
#include <utility>

#include "harness/health/check.hpp"
#include "tests/kernel_files.hpp"
#include "tests/namespace.hpp"

namespace grit::test {

class CheckUnderTest {
 public:
  explicit CheckUnderTest(const std::string& name, Json given = Json::object()) {
    const Check* check = find_check(name);
    REQUIRE(check != nullptr);
    params_ = Params(ok(complete_params(check_params(check->info), std::move(given))));
    read_ = check->make();
  }

  Node node{.name = "node0"};
  std::vector<Node> peers{};
  std::vector<int> rank_pids{};
  std::int64_t limit_ns = 2 * kNsPerS;
  std::filesystem::path proc = "/proc", sys = "/sys";
  CheckMemory memory{};

  /// It then reads their proc/... and sys/...
  void look_at(const KernelFiles& files) { proc = files.proc(), sys = files.sys(); }

  /// One reading, so long after the last one.
  Result<std::vector<Outcome>> try_read(std::int64_t after_ns = kNsPerS) {
    memory.begin(now_ns_ += after_ns);
    return read_(CheckInput{.node = node,
                            .params = params_,
                            .memory = memory,
                            .peers = peers,
                            .rank_pids = rank_pids,
                            .limit_ns = limit_ns,
                            .proc = proc,
                            .sys = sys});
  }
  std::vector<Outcome> read(std::int64_t after_ns = kNsPerS) { return ok(try_read(after_ns)); }

  /// Of a reading with one outcome.
  Outcome read_one(std::int64_t after_ns = kNsPerS) {
    const std::vector<Outcome> outcomes = read(after_ns);
    REQUIRE(outcomes.size() == 1);
    return outcomes.front();
  }

  /// The outcome of one subject, of which there must be one.
  Outcome read_of(const std::string& subject, std::int64_t after_ns = kNsPerS) {
    const std::vector<Outcome> outcomes = read(after_ns);
    const auto found =
        std::find_if(outcomes.begin(), outcomes.end(), [&](const Outcome& one) { return one.subject == subject; });
    INFO("no outcome of " << subject);
    REQUIRE(found != outcomes.end());
    return *found;
  }

 private:
  Params params_{};
  ReadCheck read_{};
  std::int64_t now_ns_ = 1000 * kNsPerS;
};

/// This outcome is the check's alarm at a real thing - the kernel, a device, a program -, and at no file or library of
/// the test's own. test_proofs.cpp reads who says so (CheckInfo::proven).
inline void proves(std::string_view check, const Outcome& outcome) {
  CAPTURE(check, outcome.subject, outcome.detail);
  REQUIRE(is_alarm(outcome.severity));
}

}  // namespace grit::test
