#include "harness/model/phases.hpp"
#include "tests/catch.hpp"

namespace grit {
namespace {

TEST_CASE("a step's phases add up to the step, and are called the same wherever they are named") {
  StepRecord record;
  record.start_ns = 1'000, record.end_ns = 1'100;
  record.input_ns = 1, record.forward_ns = 2, record.backward_ns = 4, record.exposed_comm_ns = 8;
  record.optimizer_ns = 16, record.checkpoint_ns = 32;
  CHECK(phase_times_ns(record) == std::array<std::int64_t, 7>{1, 2, 4, 8, 16, 32, 37});
  record.end_ns = 1'010;  // clocks do not go back, but a torn record may
  CHECK(phase_times_ns(record).back() == 0);

  constexpr Phase kLive[] = {Phase::input,        Phase::forward,   Phase::backward,
                             Phase::exposed_comm, Phase::optimizer, Phase::checkpoint};
  for (std::size_t i = 0; i + 1 < kPhases.size(); ++i) CHECK(to_string(kLive[i]) == kPhases[i].name);
  CHECK(kPhases[kExposedComm].name == "exposed_comm");
  CHECK(kOwnPhases.size() == kPhases.size() - 1);
  CHECK(kOwnPhases[kExposedComm] == "optimizer");
  CHECK(kPhaseNames[kExposedComm] == "exposed communication");
}

}  // namespace
}  // namespace grit
