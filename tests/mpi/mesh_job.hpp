// Parallel training as a real MPI job, on meshes of one, two, four and eight ranks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <ostream>
#include <vector>

#include "tests/mpi/all_operations.hpp"
#include "workloads/workload.hpp"

namespace grit::test {

struct Case {
  const char* workload;
  AxisValues mesh;
  Json given = Json::object();
};
std::ostream& operator<<(std::ostream& out, const Case& one);

/// Those for as many ranks as there are.
std::vector<Case> cases_here(const World& world);
Params params_of(const Case& one);

/// Where this rank keeps checkpoints; that of step `taken_up` is there.
struct KeptIn {
  std::filesystem::path directory{};
  std::int64_t taken_up = -1;
};

/// A job over a mesh of all ranks.
struct MeshJob {
  MeshJob(World& whole, const Case& one, const KeptIn& kept = {});

  /// All ranks make it. It succeeds.
  StepRecord step();
  [[nodiscard]] std::size_t stage() const { return static_cast<std::size_t>(groups->of(Axis::pp).rank()); }
  [[nodiscard]] Axis axis_of(const CollectiveRecord& span) const;

  World& world;
  Mesh mesh;
  AcceleratorClock clock{kNominalClockPpm};
  RankDials dials{};
  WrongValues wrong_values{};
  std::optional<GroupCommunicators> groups{};
  std::unique_ptr<Workload> workload{};
  std::size_t made_of_bytes = 0;
  std::uint32_t steps = 0;
  std::vector<CollectiveRecord> spans{};  // of the last step
};

/// The sum; all ranks call it.
std::size_t over_all_ranks(std::size_t number);

}  // namespace grit::test
