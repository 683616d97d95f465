#include "tests/gpu/bench/file_bootstrap.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <numeric>
#include <thread>

#include "harness/base/clock.hpp"
#include "tests/gpu/bench/bench.hpp"

namespace grit::bench {
namespace {

CommunicatorGroup all_of(int ranks) {
  CommunicatorGroup group;
  group.members.resize(static_cast<std::size_t>(ranks));
  std::iota(group.members.begin(), group.members.end(), 0);
  return group;
}

}  // namespace

FileBootstrap::FileBootstrap(std::filesystem::path directory, int rank, int ranks)
    : Communicator(all_of(ranks), rank, std::make_shared<OpenOperations>(nullptr)), directory_(std::move(directory)) {}

Result<std::unique_ptr<Communicator>> FileBootstrap::split(std::string_view, std::uint16_t,
                                                           std::span<const std::vector<int>>) {
  return unavailable_error("ranks that meet through files are one group");
}

std::filesystem::path FileBootstrap::part_of(int rank) const {
  return directory_ / fmt::format("{}.{}", exchange_, rank);
}

Status FileBootstrap::start(const OperationCall& call, std::uint32_t) {
  GRIT_ASSERT(call.operation == CollectiveOperation::all_gather);
  const std::size_t bytes = call.count * bytes_per_element(call.type);
  ++exchange_;
  const std::filesystem::path own = part_of(rank()), unfinished = own.string() + ".new";
  std::ofstream(unfinished, std::ios::binary)
      .write(static_cast<const char*>(call.send), static_cast<std::streamsize>(bytes));
  std::filesystem::rename(unfinished, own);
  const std::int64_t deadline_ns = monotonic_ns() + 60 * kNsPerS;
  for (int peer = 0; peer < size(); ++peer) {
    while (!std::filesystem::exists(part_of(peer))) {
      if (monotonic_ns() > deadline_ns) return internal_error(fmt::format("rank {} did not come within 60 s", peer));
      std::this_thread::sleep_for(std::chrono::microseconds(20));
    }
    char* const to = static_cast<char*>(call.receive) + static_cast<std::size_t>(peer) * bytes;
    if (!std::ifstream(part_of(peer), std::ios::binary).read(to, static_cast<std::streamsize>(bytes)))
      return internal_error(fmt::format("{} cannot be read", part_of(peer).string()));
  }
  return {};
}

double FileBootstrap::largest(double own) {
  std::vector<double> all(static_cast<std::size_t>(size()));
  need(wait(need(all_gather(&own, all.data(), sizeof own, DataType::bytes))));
  return *std::max_element(all.begin(), all.end());
}

}  // namespace grit::bench
