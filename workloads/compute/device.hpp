// Where a rank's data are, and what is done with them there beside matrix products.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "harness/base/result.hpp"
#include "harness/model/data_type.hpp"

namespace grit {

/// Elements that repeat: element i of what is filled with it is number (place + i) mod elements() of these. Made on the
/// host; a device keeps its own copy here.
class Period {
 public:
  struct Copy {
    Copy() = default;
    Copy(const Copy&) = delete;
    Copy& operator=(const Copy&) = delete;
    virtual ~Copy() = default;
  };

  /// `element_bytes`: 1, 2 or 4.
  Period(std::size_t elements, std::size_t element_bytes)
      : values_(elements * element_bytes), element_bytes_(element_bytes) {}

  /// To be written to, as a whole, before it is next used.
  std::byte* rewrite() {
    ++version_;
    return values_.data();
  }
  [[nodiscard]] const std::vector<std::byte>& values() const { return values_; }
  [[nodiscard]] std::size_t elements() const { return values_.size() / element_bytes_; }
  [[nodiscard]] std::size_t element_bytes() const { return element_bytes_; }
  /// How often it was written.
  [[nodiscard]] std::uint64_t version() const { return version_; }
  /// The device's: it alone looks at it.
  [[nodiscard]] std::unique_ptr<Copy>& copy() const { return copy_; }

 private:
  std::vector<std::byte> values_;
  std::size_t element_bytes_;
  std::uint64_t version_ = 0;
  mutable std::unique_ptr<Copy> copy_;
};

/// What was found to be other than a period has it.
struct Unlike {
  struct First {
    std::size_t element = 0;  // from the first that was compared
    std::uint32_t expected_bits = 0, got_bits = 0;
  };
  std::uint64_t count = 0;
  std::optional<First> first{};
};

/// Memory of a device; freed with the last copy of this.
struct DeviceBuffer {
  std::shared_ptr<std::byte> memory{};
  std::size_t bytes = 0;
  [[nodiscard]] std::byte* data() const { return memory.get(); }
  [[nodiscard]] float* as_floats() const { return static_cast<float*>(static_cast<void*>(memory.get())); }
  [[nodiscard]] std::size_t size() const { return bytes; }
  [[nodiscard]] bool empty() const { return bytes == 0; }
};

/// What it is given is done in that order, and before operations of communicators that are begun later; what returns
/// something returns when it is there. Errors stay (status()): what is given after the first is not done, and what
/// returns something returns nothing of meaning. Of one thread.
class Device {
 public:
  Device() = default;
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;
  virtual ~Device() = default;

  /// Memory for what operations and this object read and write; all of it is 0. It is freed before the device. Throws
  /// std::bad_alloc where there is not so much.
  virtual DeviceBuffer allocate(std::size_t bytes) = 0;
  /// The same where the host, too, reads and writes.
  virtual DeviceBuffer allocate_for_host(std::size_t bytes) = 0;

  virtual void fill(const Period& period, std::size_t place, std::byte* to, std::size_t count) = 0;
  virtual Unlike compare(const Period& period, std::size_t place, const std::byte* values, std::size_t count) = 0;
  /// weights[i] -= rate · gradients[i], in fp32. `type`: not bytes.
  virtual void update(float* weights, const std::byte* gradients, DataType type, std::size_t count, float rate) = 0;
  /// *at ^= mask.
  virtual void flip(std::byte* at, std::byte mask) = 0;
  /// Between the host's memory and the device's; return when it is there.
  virtual void to_host(void* to, const void* from, std::size_t bytes) = 0;
  virtual void from_host(void* to, const void* from, std::size_t bytes) = 0;
  /// from_host() that waits for nothing that was given before: into memory that nothing of it touches.
  virtual void load(void* to, const void* from, std::size_t bytes) = 0;

  /// Its memory is the host's.
  [[nodiscard]] virtual bool is_host() const = 0;
  /// The first error.
  [[nodiscard]] virtual Status status() const = 0;
};

/// The host's own memory, and this thread.
class HostDevice final : public Device {
 public:
  DeviceBuffer allocate(std::size_t bytes) override;
  DeviceBuffer allocate_for_host(std::size_t bytes) override { return allocate(bytes); }
  void fill(const Period& period, std::size_t place, std::byte* to, std::size_t count) override;
  Unlike compare(const Period& period, std::size_t place, const std::byte* values, std::size_t count) override;
  void update(float* weights, const std::byte* gradients, DataType type, std::size_t count, float rate) override;
  void flip(std::byte* at, std::byte mask) override { *at ^= mask; }
  void to_host(void* to, const void* from, std::size_t bytes) override;
  void from_host(void* to, const void* from, std::size_t bytes) override;
  void load(void* to, const void* from, std::size_t bytes) override { from_host(to, from, bytes); }
  [[nodiscard]] bool is_host() const override { return true; }
  [[nodiscard]] Status status() const override { return {}; }
};

}  // namespace grit
