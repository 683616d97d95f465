#include "harness/run/nccl_job.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <utility>

namespace grit {
namespace {

namespace fs = std::filesystem;

constexpr std::uintmax_t kMostBytes = std::uintmax_t{16} << 30U;  // of all parts: they lie in memory

/// One process, by its place among the parts.
using Process = std::size_t;

/// By its ranks: the processes that have a part.
using Members = std::map<int, Process>;

std::string process_text(const NcclPart& part) {
  return fmt::format("process {} of {}", part.header.pid, part.header.host);
}

/// Parts of one process, in order of time, are one: it may have left NCCL and begun anew.
std::vector<NcclPart> by_process(std::vector<NcclPart> parts) {
  std::sort(parts.begin(), parts.end(),
            [](const NcclPart& a, const NcclPart& b) { return a.header.monotonic_ns < b.header.monotonic_ns; });
  std::vector<NcclPart> processes;
  for (NcclPart& part : parts) {
    const auto same = std::find_if(processes.begin(), processes.end(), [&](const NcclPart& one) {
      return one.header.pid == part.header.pid && std::string_view(one.header.boot) == part.header.boot &&
             std::string_view(one.header.host) == part.header.host;
    });
    if (same == processes.end()) {
      processes.push_back(std::move(part));
      continue;
    }
    same->lost += part.lost;
    std::move(part.communicators.begin(), part.communicators.end(), std::back_inserter(same->communicators));
  }
  return processes;
}

struct Found {
  std::string name{};
  int ranks = 0;
  Members members{};
  [[nodiscard]] bool is_whole() const { return members.size() == static_cast<std::size_t>(ranks); }
};

/// By hash.
Result<std::map<std::uint64_t, Found>> find_communicators(const std::vector<NcclPart>& parts) {
  std::map<std::uint64_t, Found> all;
  for (Process process = 0; process < parts.size(); ++process)
    for (const NcclPart::Communicator& one : parts[process].communicators) {
      const auto [place, is_new] = all.try_emplace(one.is.hash);
      Found& found = place->second;
      if (one.is.rank < 0 || one.is.rank >= one.is.ranks || (!is_new && found.ranks != one.is.ranks))
        return usage_error(
            fmt::format("{} was rank {} of {} of a communicator{}: its part is damaged, or of another job",
                        process_text(parts[process]), one.is.rank, one.is.ranks,
                        is_new ? "" : fmt::format(" of which another part says {}", found.ranks)));
      found.name = one.is.name;
      found.ranks = one.is.ranks;
      for (const auto& [rank, owner] : found.members)
        if (owner == process && rank != one.is.rank)
          return usage_error(
              fmt::format("{} had several ranks of one communicator; only jobs with a process for each "
                          "GPU can be read",
                          process_text(parts[process])));
      found.members[one.is.rank] = process;
    }
  return all;
}

Status check_none_missing(const std::map<std::uint64_t, Found>& communicators, std::size_t processes) {
  for (const auto& [hash, one] : communicators) {
    if (static_cast<std::size_t>(one.ranks) <= processes || one.members.empty()) continue;
    std::vector<int> missing;
    for (int rank = 0; rank < one.ranks && missing.size() < 8; ++rank)
      if (!one.members.contains(rank)) missing.push_back(rank);
    return usage_error(
        fmt::format("there are parts of {} processes, but a communicator has {} ranks: those of its ranks {}{} are "
                    "missing. Each node writes into its own GRIT_PROFILE_DIR: copy the parts of all into one directory",
                    processes, one.ranks, fmt::join(missing, ", "), missing.size() == 8 ? " ..." : ""));
  }
  return {};
}

/// By process.
Result<std::vector<int>> find_ranks(const std::vector<NcclPart>& parts,
                                    const std::map<std::uint64_t, Found>& communicators) {
  std::vector<int> ranks(parts.size(), -1);
  for (const auto& [hash, one] : communicators) {
    if (!one.is_whole() || one.members.size() != parts.size()) continue;
    for (const auto& [rank, process] : one.members) ranks[process] = rank;
    return ranks;
  }
  std::set<std::int64_t> seen;
  for (Process process = 0; process < parts.size(); ++process) {
    const std::int64_t rank = parts[process].header.job_rank;
    if (rank < 0 || static_cast<std::size_t>(rank) >= parts.size() || !seen.insert(rank).second)
      return usage_error(fmt::format(
          "no communicator has all {} processes, and the launcher does not tell their ranks (RANK, "
          "OMPI_COMM_WORLD_RANK, PMIX_RANK, PMI_RANK or SLURM_PROCID, each rank once): {} has {}. Are there "
          "parts of several jobs in the directory?",
          parts.size(), process_text(parts[process]), rank < 0 ? "none" : std::to_string(rank)));
    ranks[process] = static_cast<int>(rank);
  }
  return ranks;
}

/// Hosts in the order of their first ranks. Containers of one machine with names of their own are hosts of their own.
void place(NcclJob& job, const std::vector<NcclPart>& by_rank) {
  std::map<std::pair<std::string, std::string>, int> nodes;
  for (std::size_t rank = 0; rank < by_rank.size(); ++rank) {
    const NcclPartHeader& header = by_rank[rank].header;
    const auto [found, is_new] = nodes.try_emplace({header.host, header.boot}, static_cast<int>(job.hosts.size()));
    if (is_new) job.hosts.emplace_back(header.host);
    job.ranks[rank].node = found->second;
    job.ranks[rank].monotonic_ns = header.monotonic_ns;
    job.ranks[rank].realtime_ns = header.realtime_ns;
  }
}

/// Takes the end of those that are out of order; says of how many.
std::uint64_t drop_overwritten(std::vector<NcclRecord>& operations) {
  std::vector<NcclOperationRecord*> collectives;
  for (NcclRecord& record : operations)
    if (const NcclOperation one{0, record.operation}; one.has_times() && !one.is_point_to_point())
      collectives.push_back(&record.operation);
  std::uint64_t dropped = 0;
  std::int64_t earliest_ns = std::numeric_limits<std::int64_t>::max();  // of those from i + kOutOfOrder on
  for (std::size_t i = collectives.size(); i-- > 0;) {
    if (i + kOutOfOrder < collectives.size())
      if (const std::int64_t stop_ns = collectives[i + kOutOfOrder]->stop_ns; stop_ns > 0)
        earliest_ns = std::min(earliest_ns, stop_ns);
    if (collectives[i]->stop_ns < earliest_ns) continue;
    collectives[i]->stop_ns = 0;
    ++dropped;
  }
  return dropped;
}

}  // namespace

std::map<NcclCollectiveKey, std::size_t> nccl_places(const std::vector<NcclOperation>& operations) {
  std::map<NcclCollectiveKey, std::size_t> places;
  std::set<NcclCollectiveKey> twice;
  for (std::size_t i = 0; i < operations.size(); ++i)
    if (operations[i].is_of_all() && !places.emplace(operations[i].key(), i).second) twice.insert(operations[i].key());
  for (const NcclCollectiveKey& key : twice) places.erase(key);
  return places;
}

std::string NcclJob::describe(int rank) const {
  return fmt::format("rank {} ({})", rank, hosts[static_cast<std::size_t>(ranks[static_cast<std::size_t>(rank)].node)]);
}

Result<NcclJob> join_nccl_parts(std::vector<NcclPart> parts) {
  parts = by_process(std::move(parts));
  std::erase_if(parts, [](const NcclPart& part) { return part.communicators.empty(); });
  if (parts.empty()) return usage_error("no process made a communicator");
  GRIT_TRY(const auto communicators, find_communicators(parts));
  GRIT_CHECK(check_none_missing(communicators, parts.size()));
  GRIT_TRY(const std::vector<int> ranks, find_ranks(parts, communicators));
  std::vector<NcclPart> by_rank(parts.size());
  for (Process process = 0; process < parts.size(); ++process)
    by_rank[static_cast<std::size_t>(ranks[process])] = std::move(parts[process]);

  NcclJob job;
  job.ranks.resize(parts.size());
  place(job, by_rank);
  std::map<std::uint64_t, std::uint32_t> places;
  for (const auto& [hash, one] : communicators) {
    if (!one.is_whole()) continue;
    places[hash] = static_cast<std::uint32_t>(job.communicators.size());
    NcclCommunicator& made = job.communicators.emplace_back();
    made.name = one.name;
    for (const auto& [rank, process] : one.members) made.members.push_back(ranks[process]);
  }
  for (std::size_t rank = 0; rank < by_rank.size(); ++rank) {
    NcclPart& part = by_rank[rank];
    job.lost += part.lost;
    job.is_fake = job.is_fake || part.header.is_fake != 0;
    auto& operations = job.ranks[rank].operations;
    for (NcclPart::Communicator& one : part.communicators) {
      if (const auto found = places.find(one.is.hash); found != places.end()) {
        job.overwritten += drop_overwritten(one.operations);
        for (const NcclRecord& record : one.operations) operations.push_back({found->second, record.operation});
      }
      one.operations = {};
    }
    std::stable_sort(operations.begin(), operations.end(),
                     [](const NcclOperation& a, const NcclOperation& b) { return a.is.given_ns < b.is.given_ns; });
  }
  return job;
}

Result<NcclJob> read_nccl_job(const fs::path& directory) {
  std::vector<fs::path> files;
  std::error_code unreadable;
  for (fs::directory_iterator entry(directory, unreadable), end; !unreadable && entry != end;
       entry.increment(unreadable))
    if (entry->path().extension() == ".grit-nccl") files.push_back(entry->path());
  if (files.empty())
    return usage_error(
        fmt::format("{} has no part of a job (*.grit-nccl){}: run the job with "
                    "NCCL_PROFILER_PLUGIN=.../libnccl-profiler-grit.so and GRIT_PROFILE_DIR={}",
                    directory.string(), unreadable ? ": " + unreadable.message() : "", directory.string()));
  std::sort(files.begin(), files.end());
  std::uintmax_t bytes = 0;
  for (const fs::path& file : files)
    if (const std::uintmax_t size = fs::file_size(file, unreadable); !unreadable) bytes += size;
  if (bytes > kMostBytes)
    return usage_error(
        fmt::format("the parts in {} have {} GiB together, and {} at most can be read: run fewer steps with the "
                    "profiler",
                    directory.string(), bytes >> 30U, kMostBytes >> 30U));
  std::vector<NcclPart> parts;
  for (const fs::path& file : files) {
    GRIT_TRY(NcclPart part, read_nccl_part(file));
    parts.push_back(std::move(part));
  }
  auto job = join_nccl_parts(std::move(parts));
  return job ? std::move(job) : with_context(job.error(), directory.string());
}

}  // namespace grit
