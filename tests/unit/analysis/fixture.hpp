// A small run, whole and well: 2 nodes with 2 ranks each, a link flap on node1; tests then break parts of it.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "harness/model/event.hpp"
#include "harness/model/plan.hpp"
#include "harness/model/step_record.hpp"
#include "harness/model/verdict.hpp"

namespace grit::testing {

constexpr int kRanks = 4;

inline Plan small_plan(int pairs = 8, bool with_fault = true) {
  Plan plan;
  plan.scenario_name = "link_flap";
  plan.emulated = {"compute (timer-driven accelerator)"};
  for (int node = 0; node < 2; ++node) {
    Node one;
    one.index = node;
    one.name = "node" + std::to_string(node);
    one.ranks = {2 * node, 2 * node + 1};
    plan.topology.nodes.push_back(one);
  }
  if (with_fault) {
    PlannedFault fault;
    fault.id = 0;
    fault.name = "link_flap";
    fault.node = 1;
    fault.device = "eth0";
    fault.mechanism = "admin";
    fault.pulses = {{500 * kNsPerMs, 1500 * kNsPerMs}};
    fault.lease_ns = 12 * kNsPerS;
    plan.faults = {fault};
  }
  plan.design.pairs = pairs;
  plan.design.block_ns = 3 * kNsPerS;
  plan.blocks = {{0, -1, BlockKind::warmup}};
  for (int pair = 0; pair < pairs; ++pair) {
    const bool fault_first = pair % 3 == 1;
    for (const bool fault : {fault_first, !fault_first})
      plan.blocks.push_back(
          {static_cast<int>(plan.blocks.size()), pair, fault ? BlockKind::fault : BlockKind::baseline});
  }
  plan.expect.slowdown_at_least = 0.10;
  return plan;
}

/// Duration of one step of one rank, nanoseconds.
using StepTime = std::function<std::int64_t(const Block&, int step)>;

/// Ten steps a block, of all ranks alike but for a microsecond by rank.
inline std::vector<StepRecord> records_of(const Plan& plan, const StepTime& step_time, int steps = 10) {
  std::vector<StepRecord> records;
  std::uint32_t step_of_run = 0;
  for (const Block& block : plan.blocks) {
    for (int step = 0; step < steps; ++step, ++step_of_run) {
      for (int rank = 0; rank < kRanks; ++rank) {
        StepRecord record;
        record.rank = static_cast<std::uint32_t>(rank);
        record.node = static_cast<std::uint32_t>(rank / 2);
        record.block = static_cast<std::uint32_t>(block.index);
        record.step = step_of_run;
        record.step_in_block = static_cast<std::uint32_t>(step);
        record.start_ns = 1'000'000'000'000LL * (record.node + 1);  // clocks of different nodes differ widely
        record.end_ns =
            record.start_ns + step_time(block, step) + (rank - 1) * 1000 - 500;  // mean over ranks: step_time
        records.push_back(record);
      }
    }
  }
  return records;
}

/// 10 ms a step with 1 % of noise that differs between blocks; fault blocks longer by `slowdown`.
inline StepTime steps_slowed_by(double slowdown) {
  return [slowdown](const Block& block, int step) {
    const double noise = 1 + 0.002 * ((block.index * 7 + step) % 5 - 2) + 0.002 * ((block.index * 13) % 7 - 3);
    return static_cast<std::int64_t>(1e7 * noise * (block.kind == BlockKind::fault ? 1 + slowdown : 1));
  };
}

inline Json fault_event(const char* action, int block, int pulse, bool ok, int fault = 0) {
  Json event = make_event("fault", 1, 0);
  event.update(Json{{"fault", fault}, {"block", block}, {"pulse", pulse}, {"action", action}, {"ok", ok}});
  if (std::string_view(action) == "reverted") event["why"] = "pulse_end";
  return event;
}

inline Json acting_event(int block, bool ok, int fault = 0) {
  Json event = make_event("acting", 1, 0);
  event.update(Json{{"fault", fault}, {"block", block}, {"ok", ok}});
  return event;
}

inline Json block_event(const Block& block, const char* edge) {
  Json event = make_event("block", 0, 0);
  event.update(Json{{"block", block.index}, {"kind", to_string(block.kind)}, {"edge", edge}});
  return event;
}

inline Json run_event(const char* state) {
  Json event = make_event("run", 0, 0);
  event["state"] = state;
  return event;
}

inline std::vector<Json> events_of(const Plan& plan) {
  std::vector<Json> events{run_event("started")};
  for (const Block& block : plan.blocks) {
    events.push_back(block_event(block, "begin"));
    if (block.kind == BlockKind::fault) {
      for (const PlannedFault& fault : plan.faults) {
        for (int pulse = 0; pulse < static_cast<int>(fault.pulses.size()); ++pulse) {
          events.push_back(fault_event("applied", block.index, pulse, true, fault.id));
          events.push_back(fault_event("reverted", block.index, pulse, true, fault.id));
        }
        events.push_back(acting_event(block.index, true, fault.id));
      }
    }
    events.push_back(block_event(block, "end"));
  }
  events.push_back(run_event("finished"));
  return events;
}

/// The events but those for which `remove` holds.
inline std::vector<Json> without(std::vector<Json> events, const std::function<bool(const Json&)>& remove) {
  std::erase_if(events, remove);
  return events;
}

inline bool is_fault_event(const Json& event, const char* action) {
  return event.at("type") == "fault" && event.at("action") == action;
}

inline int nth_fault_block(const Plan& plan, int n) {
  for (const Block& block : plan.blocks)
    if (block.kind == BlockKind::fault && n-- == 0) return block.index;
  return -1;
}

/// A line each.
inline std::string all_reasons(const Verdict& verdict) {
  std::string all;
  for (const std::string& reason : verdict.reasons) all += reason + "\n";
  return all;
}

/// What a node says happened at that time, with more fields of its own.
inline Json event_of(std::string_view type, int node, std::int64_t t_ms, const Json& more = Json::object()) {
  Json event = make_event(type, node, t_ms * kNsPerMs);
  event.update(more);
  return event;
}

}  // namespace grit::testing
