// The report's passes over the step records: there may be tens of millions, so nothing here grows with their number.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "analysis/records/paged.hpp"
#include "analysis/report/run_data.hpp"

namespace grit {

/// The records of one step. Times count from the run's first step.
struct StepSum {
  std::uint32_t records = 0;
  std::uint32_t block = 0, step_in_block = 0;  // of its first record
  std::uint32_t slowest_rank = 0;
  std::int64_t total_ns = 0, max_ns = 0;
  std::int64_t start_ns = INT64_MAX, end_ns = INT64_MIN;
};

/// The measured steps of one rank in one kind of block.
struct PhaseSum {
  std::uint32_t steps = 0;
  std::uint32_t node = 0;
  std::array<std::int64_t, kPhaseNames.size()> total_ns{};
};

struct RecordSums {
  std::size_t rank_count = 0;      // in the topology
  std::vector<char> rank_seen{};   // by rank; 1: it left a record. Not bits: it is set for every record
  Paged<StepSum> steps{};          // by StepRecord::step, counted from Plan::first_step
  std::vector<PhaseSum> phases{};  // by rank, each twice: of baseline and of fault blocks
};

/// One pass, in any order of the records.
RecordSums sum_records(const Plan& plan, std::span<const StepRecord> records, const TimeAxis& axis);

}  // namespace grit
