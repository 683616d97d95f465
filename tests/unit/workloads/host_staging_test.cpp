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
    const auto staging = ok(HostStaging::make(threads, kBytes));
    for (const std::size_t bytes : {std::size_t{0}, std::size_t{1}, HostStaging::kChunk_bytes, kBytes - 1}) {
      std::fill_n(staging->buffer(), kBytes, std::byte{0xee});
      staging->copy(staging->buffer(), from.data(), bytes);
      CHECK(std::equal(from.begin(), from.begin() + static_cast<std::ptrdiff_t>(bytes), staging->buffer()));
      CHECK(std::all_of(staging->buffer() + bytes, staging->buffer() + kBytes,
                        [](std::byte byte) { return byte == std::byte{0xee}; }));
    }
  }
}

TEST_CASE("helper threads that were never asked end") { CHECK(ok(HostStaging::make(3, 16)) != nullptr); }
