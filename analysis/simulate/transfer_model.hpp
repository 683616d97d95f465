// How long an operation takes among n ranks, and what changes with n: latency and bandwidth of a link, fitted to the
// operations of a run, and the numbers of messages and bytes of known algorithms.
//
// Costs are those of R. Thakur, R. Rabenseifner and W. Gropp, Optimization of collective communication operations in
// MPICH, IJHPCA 19 (2005), §3: so many messages that follow each other, each with a latency, and so many bytes through
// one link. A ring, which MPI and NCCL use for what is large, and a binomial tree, which they use for what is small;
// whichever is the faster of the two with the link's figures. S is CollectiveRecord::bytes:
//
//   operation                  ring: messages, bytes         tree: messages, bytes
//   all_reduce                 2(n - 1), 2(n - 1)/n S        2 log2 n, 2 log2 n S
//   reduce_scatter, all_gather   n - 1,   (n - 1)/n S          log2 n,   log2 n S
//   all_to_all                   n - 1,   (n - 1)/n S        none
//   send, receive                    1,             S        none
#pragma once

#include <cstdint>
#include <span>

#include "harness/model/collective_record.hpp"

namespace grit {

struct LinkModel {
  double latency_ns = 0;   // of a message, with all that its ends do for it
  double ns_per_byte = 0;  // of what goes through one link
};

/// By the table above. Of one rank 0.
double transfer_ns(CollectiveOperation kind, int ranks, std::int64_t bytes, const LinkModel& link);

/// Operations of one kind and size, among so many ranks.
struct TransferSample {
  CollectiveOperation kind = CollectiveOperation::all_reduce;
  int ranks = 0;
  std::int64_t bytes = 0;
  double transfer_ns = 0;  // the median
};

/// What the sizes say of a link: least squares of the relative errors, neither figure below 0.
struct LinkFit {
  LinkModel link{};
  /// The sizes differ by so much that latency and bandwidth can be told apart (four times); else a half of the time is
  /// taken for each.
  bool told_apart = false;
};
LinkFit fit_link(std::span<const TransferSample> samples);

/// The same where a part of the time of every operation is known to be the latency, and the rest may have a part that
/// neither messages nor bytes account for (a fault that stalls): only the bandwidth is fitted. `otherwise` where sizes
/// do not tell it.
LinkModel fit_bandwidth(std::span<const TransferSample> samples, double latency_ns, double otherwise_ns_per_byte);

}  // namespace grit
