#include "analysis/simulate/transfer_model.hpp"
#include "tests/catch.hpp"

using namespace grit;

TEST_CASE("operations cost what rings and trees need") {
  using enum CollectiveOperation;
  const LinkModel link{.latency_ns = 1000, .ns_per_byte = 1};
  // Large: rings.
  CHECK(transfer_ns(all_reduce, 4, 1'000'000, link) == Approx(6 * 1000 + 1.5e6));
  CHECK(transfer_ns(all_gather, 4, 1'000'000, link) == Approx(3 * 1000 + 0.75e6));
  CHECK(transfer_ns(reduce_scatter, 8, 1'000'000, link) == Approx(7 * 1000 + 0.875e6));
  CHECK(transfer_ns(all_to_all, 4, 1'000'000, link) == Approx(3 * 1000 + 0.75e6));
  CHECK(transfer_ns(send, 2, 1'000'000, link) == Approx(1000 + 1e6));
  // Small, among many: a tree.
  CHECK(transfer_ns(all_reduce, 4096, 8, link) == Approx(24 * 1008));
  CHECK(transfer_ns(all_gather, 1000, 8, link) == Approx(10 * 1008));
  CHECK(transfer_ns(all_reduce, 1, 1'000'000, link) == 0);
}

TEST_CASE("latency and bandwidth come back from times of several sizes") {
  const LinkModel truth{.latency_ns = 30e3, .ns_per_byte = 0.8};
  std::vector<TransferSample> samples;
  for (const std::int64_t bytes : {4'096, 262'144, 4'194'304, 33'554'432})
    samples.push_back(
        {CollectiveOperation::all_reduce, 8, bytes, transfer_ns(CollectiveOperation::all_reduce, 8, bytes, truth)});
  const LinkFit fit = fit_link(samples);
  CHECK(fit.told_apart);
  CHECK(fit.link.latency_ns == Approx(truth.latency_ns).epsilon(0.01));
  CHECK(fit.link.ns_per_byte == Approx(truth.ns_per_byte).epsilon(0.01));

  for (TransferSample& sample : samples) sample.transfer_ns += 5e6;  // a stall in every operation is no bandwidth
  CHECK(fit_bandwidth(samples, truth.latency_ns, 99).ns_per_byte == Approx(truth.ns_per_byte).epsilon(0.01));
}

TEST_CASE("one size does not tell latency from bandwidth, and gives a half of the time to each") {
  const std::vector<TransferSample> samples{{CollectiveOperation::all_reduce, 4, 1'000'000, 3e6}};
  const LinkFit fit = fit_link(samples);
  CHECK_FALSE(fit.told_apart);
  CHECK(6 * fit.link.latency_ns == Approx(1.5e6));
  CHECK(1.5e6 * fit.link.ns_per_byte == Approx(1.5e6));
  CHECK(fit_bandwidth(samples, 1, 7).ns_per_byte == 7);
  CHECK_FALSE(fit_link({}).told_apart);
}
