// irq_placement: the interrupts of the data NICs are served next to the NIC, and not moved onto the ranks' cores.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <set>

#include "harness/base/files.hpp"
#include "harness/health/checks/checks.hpp"
#include "harness/health/checks/chosen_nics.hpp"
#include "harness/health/checks/counter_window.hpp"
#include "harness/health/checks/numa_nodes_of.hpp"
#include "harness/health/checks/numbered_entries.hpp"
#include "harness/health/checks/ranks_here.hpp"

namespace grit {
namespace {

constexpr std::size_t kMaxFile_bytes = 65536;
constexpr std::size_t kMostNamed = 48;

struct Vector {
  int number = 0;
  Cpus allowed{}, serving{};
};

/// Empty: the file is not there or is no list.
Cpus list_in(const std::filesystem::path& file) {
  const auto text = read_file(file, kMaxFile_bytes);
  return text ? cpus_from_list(*text).value_or(Cpus{}) : Cpus{};
}

std::vector<Vector> vectors_of(const CheckInput& input, const Nic& nic) {
  std::vector<Vector> vectors;
  for (const int number : numbered_entries(input.sys / "bus/pci/devices" / nic.pci / "msi_irqs")) {
    const auto directory = input.proc / "irq" / std::to_string(number);
    vectors.push_back({.number = number,
                       .allowed = list_in(directory / "smp_affinity_list"),
                       .serving = list_in(directory / "effective_affinity_list")});
  }
  return vectors;
}

/// How often an interrupt was served, by all CPUs: "0,12,7".
std::int64_t count_of(const CheckInput& input, int number) {
  const auto text = read_file(input.sys / "kernel/irq" / std::to_string(number) / "per_cpu_count", kMaxFile_bytes);
  std::int64_t sum = 0, one = 0;
  if (!text) return 0;
  const char* const end = text->data() + text->size();
  for (const char* at = text->data(); at < end; ++at) {
    const auto parsed = std::from_chars(at, end, one);
    if (parsed.ec != std::errc{} || one < 0) break;
    sum += std::min<std::int64_t>(one, INT64_C(1) << 40);
    at = parsed.ptr;
  }
  return sum;
}

bool meet(const Cpus& a, const Cpus& b) {
  return std::any_of(a.begin(), a.end(), [&](int cpu) { return std::binary_search(b.begin(), b.end(), cpu); });
}

/// The CPUs of ranks that are bound to a part of the machine; those that may run anywhere claim none.
Cpus cores_of_ranks(const CheckInput& input) {
  std::set<int> cores;
  for (const RankHere& rank : ranks_here(input)) {
    const auto cpus = affinity_of_thread(rank.pid);
    if (cpus && static_cast<int>(cpus->size()) < input.node.cores) cores.insert(cpus->begin(), cpus->end());
  }
  return static_cast<int>(cores.size()) < input.node.cores ? Cpus(cores.begin(), cores.end()) : Cpus{};
}

class NicInterrupts {
 public:
  Result<std::vector<Outcome>> read(const CheckInput& input) {
    GRIT_TRY(const std::vector<Nic> nics, chosen_nics_and_lower(input.node, input.params));
    const Cpus ranks = cores_of_ranks(input);
    const auto nodes = cpus_by_numa_node(input.sys);
    std::vector<Outcome> outcomes;
    for (const Nic& nic : nics) {
      const auto vectors = nic.pci.empty() ? std::vector<Vector>{} : vectors_of(input, nic);
      if (vectors.empty()) continue;
      const std::size_t before = outcomes.size();
      for (const Vector& one : vectors) {
        Outcome outcome = judge(input, nic, one, ranks, nodes);
        if (outcome.severity != Severity::ok && outcomes.size() < kMostNamed) outcomes.push_back(std::move(outcome));
      }
      if (outcomes.size() == before)
        outcomes.push_back({.severity = Severity::ok,
                            .subject = nic.name,
                            .detail = fmt::format("its {} interrupts are where they were", vectors.size())});
    }
    if (outcomes.empty()) return std::vector{not_here("no data NIC with interrupts of its own")};
    return outcomes;
  }

 private:
  Outcome judge(const CheckInput& input, const Nic& nic, const Vector& now, const Cpus& ranks,
                const std::map<int, Cpus>& nodes) {
    Outcome outcome{.severity = Severity::ok, .subject = fmt::format("{} irq {}", nic.name, now.number)};
    const Vector& first = first_.try_emplace(outcome.subject, now).first->second;
    if (now.serving.empty()) return outcome;  // the kernel does not say
    if (now.allowed != first.allowed && meet(now.serving, ranks) && !meet(first.serving, ranks)) {
      outcome.severity = Severity::warning;  // no more than irqbalance does to a node that is well
      outcome.detail = fmt::format("was moved to CPU {}, on which a rank runs; CPU {} at first", to_list(now.serving),
                                   to_list(first.serving));
    } else if (const auto rate = rate_far_away(input, nic, now, nodes)) {
      outcome.severity = Severity::warning;
      outcome.value = *rate, outcome.unit = "1/s";
      outcome.detail = fmt::format("{:.0f} a second are served by CPU {}, not on the NIC's NUMA node {}", *rate,
                                   to_list(now.serving), nic.numa_node);
    } else if (now.allowed != first.allowed) {
      outcome.severity = Severity::warning;
      outcome.detail =
          fmt::format("may be served by CPU {} now, by {} at first", to_list(now.allowed), to_list(first.allowed));
    }
    outcome.detail.resize(std::min<std::size_t>(outcome.detail.size(), 280));
    outcome.hint = fmt::format("/proc/irq/{}/smp_affinity_list; irqbalance moves interrupts every 10 s", now.number);
    return outcome;
  }

  /// How often an interrupt is served on another NUMA node than the NIC's, if that is as much as the limit.
  static std::optional<double> rate_far_away(const CheckInput& input, const Nic& nic, const Vector& now,
                                             const std::map<int, Cpus>& nodes) {
    const double least = input.params.number("rate");
    if (least <= 0 || nodes.size() < 2 || nic.numa_node < 0) return std::nullopt;
    if (numa_nodes_of(nodes, now.serving).contains(nic.numa_node)) return std::nullopt;
    const auto window = counter_window(input.memory, fmt::format("irq {}", now.number), {count_of(input, now.number)},
                                       input.params.integer("window"));
    if (!window) return std::nullopt;
    const double rate = static_cast<double>(window->grown[0]) / (static_cast<double>(window->elapsed_ns) / kNsPerS);
    return rate >= least ? std::optional(rate) : std::nullopt;
  }

  std::map<std::string, Vector> first_{};  // of the run: a fault can act before a block's first reading
};

std::vector<ParamSpec> params() {
  return {
      nic_param(),
      {"rate",
       Unit::number,
       1000.0,
       "interrupts a second from which one that is served on another NUMA node than its NIC's is a warning (grit's own "
       "choice)",
       {},
       0.0,
       {}},
      window_param(2 * kNsPerS)};
}

}  // namespace

const Check& irq_placement() {
  static const Check check{
      .info = {.name = "irq_placement",
               .summary = "Interrupts of the data NICs stay where they were, next to the NIC and off the ranks' cores",
               .params = params(),
               .counts = true,
               .period_ns = 5 * kNsPerS,
               .trips = "irq_misplacement",
               .proven = "an interrupt of an emulated NIC that is moved, in a virtual machine"},
      .make = keeping<NicInterrupts>(&NicInterrupts::read)};
  return check;
}

}  // namespace grit
