// What a burn-in measures: the one list of its figures, with what is taken for worse unless a config says otherwise.
//
// `tolerance` and `spread` are grit's own choice for nodes of one class, not a norm: AMD's node-smoke and SuperBench
// alike use some per cent of the median. `spread` is only what is assumed while few peers are known; more of them
// overrule it (analysis/burnin/judgement.hpp).
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace grit {

enum class BurninScope : std::uint8_t { node, link, group };
enum class BurninBetter : std::uint8_t {
  higher,
  lower,
  none_at_all,  // a count of what should never be: one, seen twice, is too many
  rarer,        // a count of so many trials, held against a share
  counted       // a count of what the kernel itself has seen happen: beyond what a config allows (none) one is too many
};

struct BurninMeasure {
  std::string_view name;
  std::string_view unit;  // as Outcome::unit: "FLOP/s", "bytes/s", "bit/s", "s", "count", "share"
  std::string_view what;  // "matrix products", for sentences
  BurninScope scope = BurninScope::node;
  BurninBetter better = BurninBetter::higher;
  double tolerance = 0.05;  // a fraction; of `rarer` the share that is still good
  double spread = 0.01;     // a fraction
};

/// It has no figures: what cells read (BurninCellResult::carriers) is held against what earlier ones did.
inline constexpr std::string_view kCarrierLosses = "carrier_losses";

/// In the order of causes: of two that are shown of a node the first is its reason, since it may explain the second.
inline constexpr std::array kBurninMeasures{
    BurninMeasure{"wrong_results", "count", "results that are not as computed", BurninScope::node,
                  BurninBetter::none_at_all},
    BurninMeasure{"memory_errors", "count", "words of memory that are not as written", BurninScope::node,
                  BurninBetter::none_at_all},
    BurninMeasure{"slowest_core", "share", "the slowest core beside the node's middle one", BurninScope::node,
                  BurninBetter::higher, 0.08, 0.02},
    BurninMeasure{"compute", "FLOP/s", "matrix products", BurninScope::node, BurninBetter::higher, 0.03, 0.005},
    BurninMeasure{"memory", "bytes/s", "memory bandwidth", BurninScope::node, BurninBetter::higher, 0.08, 0.02},
    BurninMeasure{"storage_write", "bytes/s", "writing to the disk", BurninScope::node, BurninBetter::higher, 0.3, 0.1},
    BurninMeasure{"storage_sync", "s", "time of a flush to the disk", BurninScope::node, BurninBetter::lower, 1.0, 0.3},
    BurninMeasure{kCarrierLosses, "count", "losses of the carrier", BurninScope::node, BurninBetter::counted, 0, 0},
    BurninMeasure{"link_loss", "share", "segments sent again", BurninScope::link, BurninBetter::rarer, 0.0005, 0},
    BurninMeasure{"link_rate", "bit/s", "bandwidth of the link", BurninScope::link, BurninBetter::higher, 0.15, 0.03},
    BurninMeasure{"link_latency", "s", "latency of the link", BurninScope::link, BurninBetter::lower, 0.5, 0.1},
    BurninMeasure{"link_after_flap", "share", "bandwidth after a flap, of that before", BurninScope::node,
                  BurninBetter::higher, 0.2, 0.05},
    BurninMeasure{"training_own", "s", "own work of a training step", BurninScope::node, BurninBetter::lower, 0.05,
                  0.01},
    BurninMeasure{"stress_own", "s", "own work of a step under load", BurninScope::node, BurninBetter::lower, 0.1,
                  0.03},
    BurninMeasure{"collective", "bit/s", "bus bandwidth", BurninScope::group, BurninBetter::higher, 0.15, 0.03},
    BurninMeasure{"training_step", "s", "time of a training step", BurninScope::group, BurninBetter::lower, 0.1, 0.03},
};

/// nullptr: there is none of that name.
constexpr const BurninMeasure* find_burnin_measure(std::string_view name) {
  for (const BurninMeasure& one : kBurninMeasures)
    if (one.name == name) return &one;
  return nullptr;
}

}  // namespace grit
