#include "workloads/compute/cuda_device.hpp"

#include <algorithm>
#include <cstring>
#include <new>
#include <thread>
#include <utility>

namespace grit {
namespace {

/// Elements that one check can look at: their number is told in 32 bits.
constexpr std::size_t kMostChecked = std::size_t{1} << 31;

/// A period on the device. It is written by way of pinned memory, so that the host need not wait for the copy.
struct CudaPeriod final : Period::Copy {
  AcceleratorMemory values{};
  AcceleratorMemory staged{};
  std::uint64_t version = 0;
  std::optional<DeviceEvents::Mark> copied{};  // of the copy to the device
};

}  // namespace

Result<std::unique_ptr<CudaDevice>> CudaDevice::make(std::shared_ptr<const Accelerator> accelerator) {
  std::unique_ptr<CudaDevice> device(new CudaDevice(std::move(accelerator)));
  GRIT_TRY(device->stream_, make_stream(device->accelerator_));
  GRIT_TRY(device->loads_, make_stream(device->accelerator_));
  GRIT_TRY(device->found_, AcceleratorMemory::allocate(device->accelerator_, GRIT_ON_HOST, sizeof(grit_found)));
  return device;
}

bool CudaDevice::note(const Status& done) {
  if (status_ && !done) status_ = done;
  return status_.has_value();
}

DeviceBuffer CudaDevice::allocate_kind(std::int32_t kind, std::size_t bytes) {
  if (bytes == 0) return {};
  auto memory = AcceleratorMemory::allocate(accelerator_, kind, bytes);
  if (!memory) throw std::bad_alloc();
  const auto kept = std::make_shared<AcceleratorMemory>(std::move(*memory));
  return {.memory = std::shared_ptr<std::byte>(kept, kept->data()), .bytes = bytes};
}

DeviceBuffer CudaDevice::allocate(std::size_t bytes) {
  DeviceBuffer buffer = allocate_kind(GRIT_ON_DEVICE, bytes);
  Period zero(1, 1);
  *zero.rewrite() = std::byte{0};
  fill(zero, 0, buffer.data(), bytes);
  note(settle(stream_));  // the period goes now
  return buffer;
}

DeviceBuffer CudaDevice::allocate_for_host(std::size_t bytes) {
  DeviceBuffer buffer = allocate_kind(GRIT_ON_HOST, bytes);
  if (bytes > 0) std::memset(buffer.data(), 0, bytes);
  return buffer;
}

std::optional<grit_pattern> CudaDevice::pattern_of(const Period& period, std::size_t place) {
  if (!status_) return std::nullopt;
  if (!period.copy()) {
    auto made = std::make_unique<CudaPeriod>();
    auto values = AcceleratorMemory::allocate(accelerator_, GRIT_ON_DEVICE, period.values().size());
    auto staged = AcceleratorMemory::allocate(accelerator_, GRIT_ON_HOST, period.values().size());
    if (!values || !staged) {
      note(tl::make_unexpected((values ? staged : values).error()));
      return std::nullopt;
    }
    made->values = std::move(*values);
    made->staged = std::move(*staged);
    period.copy() = std::move(made);
  }
  auto& copied = static_cast<CudaPeriod&>(*period.copy());
  if (copied.version != period.version()) {
    // What was staged before may still be on its way; as a rule it went a step ago.
    if (copied.copied && !note(await(*copied.copied))) return std::nullopt;
    copied.copied.reset();
    std::memcpy(copied.staged.data(), period.values().data(), period.values().size());
    if (!copy(stream_, copied.values.data(), copied.staged.data(), period.values().size())) return std::nullopt;
    auto mark = events_.mark(stream_);
    if (!mark) {
      note(tl::make_unexpected(mark.error()));
      return std::nullopt;
    }
    copied.copied = *mark;
    copied.version = period.version();
  }
  return grit_pattern{.period = copied.values.data(),
                      .period_elements = static_cast<std::uint32_t>(period.elements()),
                      .element_bytes = static_cast<std::uint32_t>(period.element_bytes()),
                      .place = place % period.elements()};
}

bool CudaDevice::copy(const AcceleratorStream& stream, void* to, const void* from, std::size_t bytes) {
  grit_why why{};
  return note(accelerator_->table().copy(stream.get(), to, from, bytes, &why), why, "a copy");
}

void CudaDevice::fill(const Period& period, std::size_t place, std::byte* to, std::size_t count) {
  const auto pattern = pattern_of(period, place);
  if (!pattern || count == 0) return;
  grit_why why{};
  note(accelerator_->table().fill(stream_.get(), &*pattern, to, count, &why), why, "filling a buffer");
}

Unlike CudaDevice::compare(const Period& period, std::size_t place, const std::byte* values, std::size_t count) {
  Unlike unlike;
  void* const found_at = found_.data();
  auto* found = static_cast<grit_found*>(found_at);
  for (std::size_t done = 0; done < count;) {
    const std::size_t some = std::min(count - done, kMostChecked);
    const auto pattern = pattern_of(period, place + done);
    if (!pattern) return unlike;
    grit_why why{};
    note(accelerator_->table().check(stream_.get(), &*pattern, values + done * period.element_bytes(), some, found,
                                     &why),
         why, "checking a buffer");
    if (!note(settle(stream_))) return unlike;
    if (found->wrong > 0 && unlike.count == 0) {
      const std::size_t element = found->first >> 32;
      Unlike::First first{.element = done + element, .got_bits = static_cast<std::uint32_t>(found->first)};
      std::memcpy(&first.expected_bits,
                  period.values().data() + (pattern->place + element) % period.elements() * period.element_bytes(),
                  period.element_bytes());
      unlike.first = first;
    }
    unlike.count += found->wrong;
    done += some;
  }
  return unlike;
}

void CudaDevice::update(float* weights, const std::byte* gradients, DataType type, std::size_t count, float rate) {
  if (!status_ || count == 0) return;
  grit_why why{};
  note(accelerator_->table().update(stream_.get(), weights, gradients, static_cast<std::int32_t>(type), count, rate,
                                    &why),
       why, "the optimizer");
}

void CudaDevice::flip(std::byte* at, std::byte mask) {
  std::byte value{};
  to_host(&value, at, 1);
  value ^= mask;
  from_host(at, &value, 1);
}

void CudaDevice::to_host(void* to, const void* from, std::size_t bytes) {
  if (bytes > 0 && status_ && copy(stream_, to, from, bytes)) note(settle(stream_));
}

void CudaDevice::from_host(void* to, const void* from, std::size_t bytes) { to_host(to, from, bytes); }

void CudaDevice::load(void* to, const void* from, std::size_t bytes) {
  if (bytes > 0 && status_ && copy(loads_, to, from, bytes)) note(settle(loads_));
}

Status CudaDevice::settle(const AcceleratorStream& stream) {
  GRIT_TRY(const DeviceEvents::Mark end, events_.mark(stream));
  return await(end);
}

Status CudaDevice::await(DeviceEvents::Mark mark) {
  for (;;) {
    GRIT_TRY(const bool reached, events_.is_reached(mark));
    if (reached) break;
    std::this_thread::yield();
  }
  events_.let_go(mark);
  return {};
}

Status CudaDevice::precede(const AcceleratorStream& stream) {
  if (!status_) return status_;
  GRIT_TRY(const DeviceEvents::Mark end, events_.mark(stream_));
  const Status waits = events_.wait_on(stream, end);
  events_.let_go(end);  // the stream waits for what was marked until now, whatever becomes of the event
  return waits;
}

}  // namespace grit
