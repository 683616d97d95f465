// The kinds of `grit measure`, each by itself. What they find is in the line that they return: a wrong result is a
// figure of it, and what could not be measured (a full disk) its error.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "harness/base/result.hpp"
#include "harness/model/burnin_observation.hpp"
#include "harness/os/cpus.hpp"
#include "harness/run/job.hpp"
#include "harness/run/measure.hpp"

namespace grit {

/// Where a kind measures, and how long.
struct MeasureHere {
  std::string host{};  // this node's name among the cell's
  std::int64_t length_ns = 0;
  std::filesystem::path directory{};  // on the disk that is measured
  std::string checks_source{};        // MeasureRequest::checks_source
  bool shares_cores = false;          // with other nodes, on a local cluster
};

/// Writes it to standard output, for the burn-in that reads there.
Status say_burnin_line(const BurninLine& line);

/// A barrier that leaves the cores to those who still measure.
void sleep_until_all_are_here(const Job& job);

/// By the environment of a local cluster (harness/cluster/local.hpp), as in workloads/fabric/mpi.hpp.
bool nodes_share_cores();

/// The one of `hosts` whose boot id is `boot`; `boots` as in MeasureRequest. Nothing: they do not tell.
std::optional<std::string> host_of_boot(const std::vector<std::string>& hosts, const std::vector<std::string>& boots,
                                        const std::string& boot);

/// The one of `hosts` that `names` fit (whole, or up to the first dot); those before others decide. The only one where
/// there is one. Error (usage): none, or several by the same name.
Result<std::string> which_of(const std::vector<std::string>& hosts, const std::vector<std::string>& names);

/// This machine's addresses, in numbers, but those of the loopback.
std::set<std::string> own_addresses();

/// About 20 facts: processor, memory, kernel, firmware, data NICs (in the order of rails), GPUs. One that the machine
/// does not tell is not among them.
BurninLine measure_facts(const MeasureHere& here);

/// The names of the node's data NICs and of what they stand on (a bond's ports). None: there are none, or the kernel
/// does not answer.
std::vector<std::string> data_links();

/// How often these have lost their carrier, as of now; one that is gone is not among them. Nothing: the kernel does not
/// answer.
std::optional<BurninCarriers> read_carriers(const std::vector<std::string>& nics);

/// All health checks once, as `grit check` reads them: several lines, so that each fits its size.
std::vector<BurninLine> measure_checks(const MeasureHere& here);

/// The first hardware thread of each core that this process may use.
Cpus cores_here();

/// compute: matrix products, of one thread where cores are shared, else of one on each core at once, each product
/// checked; FLOP/s of all of them. slowest_core: of several at once, the rate of the slowest as a share of the middle
/// one's, since a single slow core of many hardly shows in their sum, but a rank that is on it is slow. wrong_results:
/// products that were wrong. `disturb` is handed each product before it is checked: for tests.
BurninLine measure_compute(const MeasureHere& here, const std::function<void(std::span<float>)>& disturb = {});

/// memory: bytes read and written by copies of what no cache holds (as STREAM's Copy counts; J. D. McCalpin, "Memory
/// Bandwidth and Machine Balance", IEEE TCCA Newsletter, 1995), of as many threads as compute has. memory_errors: words
/// that were not as written, of a pattern and its inverse over a tenth of what is available, 1 GiB at most. `disturb`
/// is handed what was written before it is read.
BurninLine measure_memory(const MeasureHere& here, const std::function<void(std::span<std::uint64_t>)>& disturb = {});

/// storage_write: 16 MiB and a flush, again and again, past the page cache. storage_sync: median time of a flush of
/// 4 KiB. Into a file without a name.
BurninLine measure_storage(const MeasureHere& here);

/// Between the first ranks of the job's first two nodes; collective over all ranks. `hosts`: of each node its name.
/// link_latency: median half round trip of 8 bytes. link_rate: messages of 1 MiB, four under way, first the one way and
/// then the other. link_loss: of the TCP segments that this node sent to the other meanwhile those that were sent
/// again. What a rank has to say for its node, as sender; on others nothing.
Result<std::vector<BurninLine>> measure_link(const Job& job, const MeasureHere& here,
                                             const std::vector<std::string>& hosts);

/// collective: bus bandwidth of sums of 8 MiB in single precision over all ranks, 2(n-1)/n of the bytes in the median
/// time (nccl-tests, doc/PERFORMANCE.md). Every sum is checked. Collective over all ranks; a line on the first of each
/// node. Error: MPI failed.
Result<std::vector<BurninLine>> measure_collective(const Job& job, const MeasureHere& here);

/// training_own: the median own work of a step, of the node's slowest rank; training_step: the median step of the
/// slowest rank of the job. wrong_results: sums or matrix products. As measure_collective().
Result<std::vector<BurninLine>> measure_training(const Job& job, const MeasureHere& here);

/// An ordinary run of MeasureRequest::scenario, a file, in a directory within `here`'s; where the request names none it
/// is removed again. Rank 0 says the figures of all nodes (run_figures.hpp). Whether its faults left the carriers of
/// all NICs alone, on all ranks. Collective. Error: it did not finish.
Result<bool> measure_by_run(const Job& job, const MeasureRequest& request, const MeasureHere& here,
                            const std::vector<std::string>& hosts);

}  // namespace grit
