#include <algorithm>
#include <cstring>
#include <span>

#include "workloads/compute/device.hpp"
#include "workloads/compute/sgd.hpp"

namespace grit {
namespace {

/// Calls visit(bytes from the piece's start, bytes in the period, bytes) for the pieces of a range of elements, the
/// first of which is at `place` of the period, within one period each.
template <class Visit>
void for_each_piece(const Period& period, std::size_t place, std::size_t count, Visit visit) {
  const std::size_t element_bytes = period.element_bytes();
  place %= period.elements();
  for (std::size_t done = 0; done < count; place = 0) {
    const std::size_t length = std::min(count - done, period.elements() - place);
    visit(done * element_bytes, place * element_bytes, length * element_bytes);
    done += length;
  }
}

std::uint32_t bits_at(const std::byte* at, std::size_t element_bytes) {
  std::uint32_t bits = 0;
  std::memcpy(&bits, at, element_bytes);  // all machines that grit runs on are little-endian
  return bits;
}

}  // namespace

DeviceBuffer HostDevice::allocate(std::size_t bytes) {
  const auto memory = std::make_shared<std::vector<std::byte>>(bytes);  // aligned for any element
  return {.memory = std::shared_ptr<std::byte>(memory, memory->data()), .bytes = bytes};
}

void HostDevice::fill(const Period& period, std::size_t place, std::byte* to, std::size_t count) {
  for_each_piece(period, place, count, [&](std::size_t done, std::size_t at, std::size_t length) {
    std::memcpy(to + done, period.values().data() + at, length);
  });
}

Unlike HostDevice::compare(const Period& period, std::size_t place, const std::byte* values, std::size_t count) {
  const std::size_t bytes = period.element_bytes();
  Unlike unlike;
  for_each_piece(period, place, count, [&](std::size_t done, std::size_t at, std::size_t length) {
    const std::byte* got = values + done;
    const std::byte* want = period.values().data() + at;
    if (std::memcmp(got, want, length) == 0) return;
    for (std::size_t i = 0; i < length; i += bytes) {
      if (std::memcmp(got + i, want + i, bytes) == 0) continue;
      if (unlike.count++ == 0)
        unlike.first = {.element = (done + i) / bytes,
                        .expected_bits = bits_at(want + i, bytes),
                        .got_bits = bits_at(got + i, bytes)};
    }
  });
  return unlike;
}

void HostDevice::update(float* weights, const std::byte* gradients, DataType type, std::size_t count, float rate) {
  sgd_update(std::span(weights, count), gradients, type, rate);
}

void HostDevice::to_host(void* to, const void* from, std::size_t bytes) {
  if (bytes > 0) std::memcpy(to, from, bytes);
}
void HostDevice::from_host(void* to, const void* from, std::size_t bytes) { to_host(to, from, bytes); }

}  // namespace grit
