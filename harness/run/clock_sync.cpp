#include "harness/run/clock_sync.hpp"

#include <limits>

#include "harness/base/clock.hpp"

namespace grit {
namespace {

constexpr int kExchanges = 20;
constexpr int kTag = 71;

Json exchange_with(int peer, int node) {
  std::int64_t best_round_trip = std::numeric_limits<std::int64_t>::max(), best_offset = 0, best_at = 0;
  for (int i = 0; i < kExchanges; ++i) {
    std::int64_t remote = 0;
    const std::int64_t sent = monotonic_ns();
    MPI_Send(&sent, 1, MPI_INT64_T, peer, kTag, MPI_COMM_WORLD);
    MPI_Recv(&remote, 1, MPI_INT64_T, peer, kTag, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    const std::int64_t received = monotonic_ns();
    if (received - sent >= best_round_trip) continue;
    best_round_trip = received - sent;
    best_offset = remote - (sent + best_round_trip / 2);
    best_at = received;
  }
  return Json{{"node", node}, {"offset_ns", best_offset}, {"bound_ns", (best_round_trip + 1) / 2}, {"at_ns", best_at}};
}

void answer() {
  for (int i = 0; i < kExchanges; ++i) {
    std::int64_t ignored = 0;
    MPI_Recv(&ignored, 1, MPI_INT64_T, 0, kTag, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    const std::int64_t now = monotonic_ns();
    MPI_Send(&now, 1, MPI_INT64_T, 0, kTag, MPI_COMM_WORLD);
  }
}

}  // namespace

Json measure_clock_offsets(const Job& job) {
  const int mine = job.local_rank() == 0 ? job.node() : -1;
  std::vector<int> node_of(static_cast<std::size_t>(job.size()));
  MPI_Allgather(&mine, 1, MPI_INT, node_of.data(), 1, MPI_INT, MPI_COMM_WORLD);
  if (job.rank() != 0) {
    if (mine > 0) answer();
    return nullptr;
  }
  Json offsets = Json::array({{{"node", 0}, {"offset_ns", 0}, {"bound_ns", 0}, {"at_ns", monotonic_ns()}}});
  for (int peer = 1; peer < job.size(); ++peer)
    if (const int node = node_of[static_cast<std::size_t>(peer)]; node > 0)
      offsets.push_back(exchange_with(peer, node));
  return offsets;
}

}  // namespace grit
