#include "workloads/host_staging.hpp"

#include <numeric>

#include "tests/catch.hpp"
#include "tests/namespace.hpp"

using namespace grit;
using test::ok;

TEST_CASE("helper threads copy everything and nothing else, however it is divided") {
  constexpr std::size_t kBytes = 3 * HostStaging::kChunk_bytes + 12'345;
  std::vector<std::byte> from(kBytes);
  for (std::size_t i = 0; i < from.size(); ++i) from[i] = static_cast<std::byte>(i * 2654435761U >> 13);
  for (const int threads : {1, 2, 7}) {
    const auto staging = ok(HostStaging::make(threads));
    staging->add(from);
    std::byte* there = staging->network_side(from.data());
    for (const std::size_t bytes : {std::size_t{0}, std::size_t{1}, HostStaging::kChunk_bytes, kBytes - 1}) {
      std::fill_n(there, kBytes, std::byte{0xee});
      staging->to_network(from.data(), bytes);
      CHECK(std::equal(from.begin(), from.begin() + static_cast<std::ptrdiff_t>(bytes), there));
      CHECK(std::all_of(there + bytes, there + kBytes, [](std::byte byte) { return byte == std::byte{0xee}; }));
    }
  }
}

TEST_CASE("each buffer has a network's side of its own, to which parts of it go, and from which they come") {
  std::vector<std::byte> first(1000, std::byte{1}), empty, second(10, std::byte{2});
  const auto staging = ok(HostStaging::make(2));
  for (const auto* buffer : {&first, &empty, &second}) staging->add(*buffer);
  for (auto* buffer : {&first, &second}) staging->to_network(buffer->data(), buffer->size());
  CHECK(staging->network_side(first.data() + 999) == staging->network_side(first.data()) + 999);
  CHECK(*staging->network_side(first.data() + 999) == std::byte{1});
  CHECK(*staging->network_side(second.data()) == std::byte{2});
  *staging->network_side(second.data() + 4) = *staging->network_side(second.data() + 6) = std::byte{3};
  staging->from_network(second.data() + 5, 2);
  const std::vector<std::byte> expected{std::byte{2}, std::byte{2}, std::byte{2}, std::byte{2}, std::byte{2},
                                        std::byte{2}, std::byte{3}, std::byte{2}, std::byte{2}, std::byte{2}};
  CHECK(second == expected);
}

TEST_CASE("helper threads that were never asked end") { CHECK(ok(HostStaging::make(3)) != nullptr); }
