#include "harness/model/bus_bandwidth.hpp"
#include "tests/catch.hpp"

namespace grit {
namespace {

using enum CollectiveOperation;

TEST_CASE("the bus bandwidth is that of nccl-tests, for every operation") {
  // One GiB in a second on 4 ranks: 2·3/4 and 3/4 of it, a message all of it.
  constexpr std::int64_t kGib = std::int64_t{1} << 30;
  constexpr double kAll = 8.0 * kGib;
  CHECK(bus_bandwidth_bits_per_s(all_reduce, 4, kGib, 1e9) == Approx(1.5 * kAll));
  CHECK(bus_bandwidth_bits_per_s(reduce_scatter, 4, kGib, 1e9) == Approx(0.75 * kAll));
  CHECK(bus_bandwidth_bits_per_s(all_gather, 4, kGib, 1e9) == Approx(0.75 * kAll));
  CHECK(bus_bandwidth_bits_per_s(all_to_all, 4, kGib, 1e9) == Approx(0.75 * kAll));
  CHECK(bus_bandwidth_bits_per_s(send, 4, kGib, 1e9) == Approx(kAll));
  CHECK(bus_bandwidth_bits_per_s(receive, 4, kGib, 1e9) == Approx(kAll));
  CHECK(bus_bandwidth_bits_per_s(all_gather, 4, kGib, 0.5e9) == Approx(1.5 * kAll));
}

TEST_CASE("an all-reduce asks of the link what a reduce-scatter and an all-gather together ask") {
  for (const int ranks : {1, 2, 3, 8, 1024})
    CHECK(bus_bandwidth_factor(all_reduce, ranks) ==
          Approx(bus_bandwidth_factor(reduce_scatter, ranks) + bus_bandwidth_factor(all_gather, ranks)));
  CHECK(bus_bandwidth_factor(all_reduce, 1) == 0);
  CHECK(bus_bandwidth_factor(all_reduce, 2) == 1);
}

TEST_CASE("operations and data types have names") {
  CHECK(to_string(reduce_scatter) == "reduce_scatter");
  CHECK(to_string(receive) == "receive");
  CHECK(to_string(static_cast<CollectiveOperation>(99)) == "unknown");
  CHECK(data_type_name(DataType::bf16) == "bf16");
  CHECK(bytes_per_element(DataType::fp32) == 4);
  CHECK(bytes_per_element(DataType::fp16) == 2);
  CHECK(bytes_per_element(DataType::bytes) == 1);
}

}  // namespace
}  // namespace grit
