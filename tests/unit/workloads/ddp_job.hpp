// Synchronous data-parallel training between threads of one process, for tests.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "tests/unit/workloads/thread_communicator.hpp"
#include "workloads/workload.hpp"

namespace grit::test {

inline const AcceleratorClock kNominalClock{kNominalClockPpm};

/// Defaults, but a model small enough for a step to last a few milliseconds.
Params ddp_params(Json given);

/// Of all steps of a rank.
struct RankResult {
  std::vector<StepRecord> records;
  std::vector<CollectiveRecord> spans;
  std::vector<WrongValue> examples;
  std::int64_t flipped_bits = 0;
  std::size_t collectives = 0;  // of the last step
  int pokes = 0;
  Json description;
  std::string error;
};

struct Job {
  int ranks = 3;
  Json given = Json::object();
  int steps = 3;
  Flip flip{};
  int flipper = -1;  // a rank whose own data flip: the fault
  std::filesystem::path checkpoint_directory{};
  bool keeps_checkpoints = false;
  std::int64_t checkpoint_of = -1;
};

/// What each rank has to say; also where ranks failed.
std::vector<RankResult> try_to_run(const Job& job);
/// No rank fails.
std::vector<RankResult> run(const Job& job);

}  // namespace grit::test
