// A device's interrupts: which CPUs serve them (/proc/irq/N, Documentation/core-api/irq/irq-affinity.rst) and how many
// each has served.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "harness/base/json.hpp"
#include "harness/base/result.hpp"
#include "harness/os/cpus.hpp"

namespace grit {

struct Interrupt {
  int number = 0;
  std::string action{};  // who handles it: "eth0-rx-0". Numbers are used again; with this it is the same one
  Cpus cpus{};           // allowed
};

/// Of the PCI function behind a network interface of the calling thread's namespace, whichever has a handler; none
/// where there is no such function. /sys/class/net is not asked: it may show another namespace, with the same names.
/// Error (usage): there is no such interface.
Result<std::vector<Interrupt>> interrupts_of_nic(const std::string& interface);

/// Nothing: there is none of that number and action any more. Error: it cannot be told.
Result<std::optional<Interrupt>> find_same_interrupt(const Interrupt& interrupt);
/// The CPUs that serve it now, of those allowed. Empty: the kernel does not say.
Cpus serving_cpus(int number);
/// Error (unavailable): not permitted, or the kernel manages this one itself.
Status set_interrupt_cpus(int number, const Cpus& cpus);
/// How often each CPU has served each interrupt since boot, by interrupt, then by CPU; those without a number (NMI,
/// LOC) left out. The whole table is read at once: the kernel makes all of it for every reader, which takes
/// milliseconds with hundreds of CPUs.
using InterruptCounts = std::map<int, std::map<int, std::int64_t>>;
Result<InterruptCounts> interrupt_counts();

/// Does irqbalance run on this machine? It moves interrupts every 10 s (irqbalance(1), --interval).
bool irqbalance_runs();

Json to_json(const Interrupt& interrupt);
/// Closed set of keys; error (usage): what is wrong.
Result<Interrupt> interrupt_from_json(const Json& json);

}  // namespace grit
