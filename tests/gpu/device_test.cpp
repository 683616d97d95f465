// The device: its kernels against the host's own, its products, its clock.
#include <cstring>
#include <numeric>
#include <vector>

#include "harness/model/data_type.hpp"
#include "tests/gpu/gpu_rank.hpp"
#include "workloads/compute/compute.hpp"
#include "workloads/fabric/sum.hpp"

namespace grit {
namespace {

class NoProgress final : public Progress {
 public:
  void poke() override {}
};

/// Numbers of so many bytes, no two alike next to each other.
Period counted(std::size_t elements, std::size_t element_bytes) {
  Period period(elements, element_bytes);
  std::byte* values = period.rewrite();
  for (std::size_t i = 0; i < elements; ++i) {
    const auto value = static_cast<std::uint32_t>(40'503 * (i + 1));
    std::memcpy(values + i * element_bytes, &value, element_bytes);
  }
  return period;
}

std::vector<std::byte> read(Device& device, const DeviceBuffer& buffer) {
  std::vector<std::byte> values(buffer.size());
  device.to_host(values.data(), buffer.data(), buffer.size());
  REQUIRE(device.status());
  return values;
}

}  // namespace

TEST_CASE("a GPU fills, compares and flips as the host does") {
  test::GpuRank rank;
  HostDevice host;
  for (const std::size_t bytes : {1U, 2U, 4U}) {
    const Period period = counted(251, bytes);
    for (const std::size_t count : {1U, 250U, 1000U, 100'003U}) {
      INFO(count << " elements of " << bytes << " bytes");
      const DeviceBuffer there = rank.device->allocate(count * bytes);
      const DeviceBuffer here = host.allocate(count * bytes);
      CHECK(read(*rank.device, there) == std::vector<std::byte>(count * bytes));
      rank.device->fill(period, 17, there.data(), count);
      host.fill(period, 17, here.data(), count);
      CHECK(std::memcmp(read(*rank.device, there).data(), here.data(), here.size()) == 0);
      CHECK(rank.device->compare(period, 17, there.data(), count).count == 0);
      for (const std::size_t element : {count / 3, count - 1}) {
        rank.device->flip(there.data() + element * bytes, std::byte{0x10});
        host.flip(here.data() + element * bytes, std::byte{0x10});
      }
      const Unlike found = rank.device->compare(period, 17, there.data(), count);
      const Unlike expected = host.compare(period, 17, here.data(), count);
      CHECK(found.count == expected.count);
      REQUIRE(found.first.has_value() == expected.first.has_value());
      if (!found.first) continue;  // of one element, flipped twice
      CHECK(found.first->element == expected.first->element);
      CHECK(found.first->expected_bits == expected.first->expected_bits);
      CHECK(found.first->got_bits == expected.first->got_bits);
    }
  }
}

TEST_CASE("a period that is written anew is what the next operation has") {
  test::GpuRank rank;
  Period period(3, 4);
  const DeviceBuffer buffer = rank.device->allocate(30 * sizeof(float));
  for (int step = 0; step < 5; ++step) {
    std::byte* values = period.rewrite();
    for (int i = 0; i < 3; ++i) {
      const int value = 10 * step + i;
      std::memcpy(values + sizeof(int) * static_cast<std::size_t>(i), &value, sizeof value);
    }
    rank.device->fill(period, 1, buffer.data(), 30);
    CHECK(rank.device->compare(period, 1, buffer.data(), 30).count == 0);
    int first = 0;
    rank.device->to_host(&first, buffer.data(), sizeof first);
    CHECK(first == 10 * step + 1);
  }
}

TEST_CASE("a GPU's optimizer gives the host's weights, bit for bit") {
  test::GpuRank rank;
  HostDevice host;
  constexpr std::size_t kCount = 10'007;
  std::vector<float> weights(kCount), gradients(kCount);
  for (std::size_t i = 0; i < kCount; ++i) {
    weights[i] = 1.0F + static_cast<float>(i) / 3;
    gradients[i] = static_cast<float>(i % 200);
  }
  for (const DataType type : {DataType::fp32, DataType::bf16, DataType::fp16}) {
    INFO(data_type_name(type));
    std::vector<std::byte> packed(kCount * bytes_per_element(type));
    for (std::size_t i = 0; i < kCount; ++i) store_element(packed.data(), i, type, gradients[i]);
    const DeviceBuffer device_weights = rank.device->allocate(kCount * sizeof(float));
    const DeviceBuffer device_gradients = rank.device->allocate(packed.size());
    rank.device->from_host(device_weights.data(), weights.data(), device_weights.size());
    rank.device->from_host(device_gradients.data(), packed.data(), packed.size());
    rank.device->update(device_weights.as_floats(), device_gradients.data(), type, kCount, 0.37F);
    std::vector<float> expected = weights;
    host.update(expected.data(), packed.data(), type, kCount, 0.37F);
    const std::vector<std::byte> got = read(*rank.device, device_weights);
    CHECK(std::memcmp(got.data(), expected.data(), got.size()) == 0);
  }
}

TEST_CASE("products of every type are right, and a step's FLOPs make as many as they should") {
  test::GpuRank rank;
  NoProgress progress;
  constexpr double kOne_flops = 2.0 * 128 * 128 * 128;
  // fp8 from the Ada generation on (compute capability 8.9).
  const bool has_fp8 = rank.device->accelerator()->facts().capability >= 89;
  for (const auto& [type, is_fp8] : {std::pair{DataType::fp32, false}, std::pair{DataType::bf16, false},
                                     std::pair{DataType::fp16, false}, std::pair{DataType::bf16, true}}) {
    INFO(data_type_name(type) << (is_fp8 ? ", products in fp8" : ""));
    auto compute = make_cuda_compute(*rank.device, type, is_fp8, 128);
    INFO((compute ? "" : compute.error().message));
    if (is_fp8 && !has_fp8) {
      CHECK(!compute);
      continue;
    }
    REQUIRE(compute);
    const std::int64_t start_ns = monotonic_ns();
    // 65 of them, of which the 63rd is looked at, none, and two.
    for (const double flops : {65 * kOne_flops, 0.5 * kOne_flops, 1.5 * kOne_flops})
      REQUIRE((*compute)->run(flops, progress));
    std::vector<WorkTime> times;
    const Status done = (*compute)->finish(progress, times);
    INFO((done ? "" : done.error().message));
    CHECK(done);
    REQUIRE(times.size() == 3);
    const std::int64_t error_ns = rank.device->events().error_ns();
    CHECK(times[0].begin_ns >= start_ns - error_ns);
    CHECK(times[0].end_ns > times[0].begin_ns);
    CHECK(times[1].end_ns == 0);  // too little for a product: it is carried over
    CHECK(times[2].begin_ns >= times[0].end_ns);
    CHECK(times[2].end_ns <= monotonic_ns() + error_ns);
  }
}

TEST_CASE("times of the device are those of the host's clock, to within the stated error") {
  test::GpuRank rank;
  auto stream = make_stream(rank.device->accelerator());
  REQUIRE(stream);
  DeviceEvents& events = rank.device->events();
  for (int i = 0; i < 50; ++i) {
    const std::int64_t before_ns = monotonic_ns();
    const auto mark = events.mark(*stream);
    REQUIRE(mark);
    for (;;) {
      const auto reached = events.is_reached(*mark);
      REQUIRE(reached);
      if (*reached) break;
    }
    const std::int64_t after_ns = monotonic_ns();
    CHECK(events.time_ns(*mark) >= before_ns - events.error_ns());
    CHECK(events.time_ns(*mark) <= after_ns + events.error_ns());
    events.let_go(*mark);
  }
  CHECK(events.error_ns() > 0);
}

}  // namespace grit
