// Numbers and sentences as a verdict says them.
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>

#include "harness/model/plan.hpp"
#include "harness/model/verdict.hpp"

namespace grit {

/// few: two or three significant digits, for sentences: "53", "0.31". tenths: also 10 to 100 with tenths, for figures
/// that stand beside each other in tables: "53.4", "0.31".
enum class Digits { few, tenths };

/// Three significant digits under a decimal prefix: "3.21 GB", "16 bit/s", "0.25 s".
std::string scaled_text(double size, std::string_view unit);

/// Of minutes and hours, where seconds do not matter: "40 s", "12 min", "2 h 5 min".
std::string length_text(double seconds);

/// A fraction as per cent: 0.534 -> "53", 0.0031 -> "0.31", -0.0102 -> "−1.0".
std::string percent_number(double fraction, Digits digits = Digits::few);

/// "10 %"; "unknown" for what is no number.
std::string percent(double fraction, Digits digits = Digits::few);

/// "+10 %", "−2.5 %", "0.0 %".
std::string signed_percent(double fraction, Digits digits = Digits::few);

/// "95 % CI 47 .. 60 %".
std::string interval_text(const Effect& effect);

/// ", 90 % CI 0.9 .. 1.4 s" of how long steps took to be as before; empty when too few blocks tell.
std::string recovery_interval_text(const Recovery& recovery);

/// "p = 0.008", "p < 0.001".
std::string p_text(double p);

/// What happened, without its cost: "node1 eth0 went down for 1 s", "cpu_throttle on node2". "No fault" for an empty
/// plan.
std::string faults_text(const Plan& plan);

/// Is nothing real, by one of the parts that are not?
bool is_all_emulated(std::span<const std::string> parts);
/// Of the parts that are not real, what a run has whose GPUs libraries of the tests played; and whether it is among
/// them.
inline constexpr std::string_view kFakeGpus = "GPU work (FAKE: libraries of the tests played the GPUs)";
bool has_fake_gpus(std::span<const std::string> parts);
/// "compute (timer-driven accelerator); everything else is real".
std::string emulated_text(std::span<const std::string> parts);

/// "link_flap on node1 eth0".
std::string place_of(const FaultResult& fault);

/// The verdict's sentence when an effect could be measured. `fault_windows`: fault blocks that count.
std::string effect_sentence(const Plan& plan, const Effect& effect, int fault_windows);

/// What moved, as "carrier_changes +16, tx_bytes +3.2 GB"; by a name's last word bytes and nanoseconds are told from
/// counts. Empty: nothing did.
std::string acted_text(const std::map<std::string, double>& acted);

/// "p50 1.2 ms, p99 3.1 ms, at most 3.2 ms".
std::string lateness_text(const Lateness& lateness);

/// "p50 80 µs, p99 120 µs, at most 120 µs, ±40 µs by their clocks".
std::string skew_text(const Skew& skew);

}  // namespace grit
