// What a network device's driver says about it: the ethtool ioctls (SIOCETHTOOL, linux/ethtool.h).
//
// They act in the calling thread's network namespace, unlike /sys/class/net, which shows that of whoever mounted it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "harness/base/fd.hpp"
#include "harness/base/result.hpp"

namespace grit {

struct DriverInfo {
  std::string driver{};  // "veth", "mlx5_core"
  std::string version{};
  std::string firmware{};  // empty when there is none
  std::string bus{};       // "0000:81:00.0"
};

struct RingSizes {  // in packets
  std::uint32_t rx = 0, rx_max = 0, tx = 0, tx_max = 0;
};

struct Coalescing {  // when the device interrupts
  std::uint32_t rx_us = 0, rx_frames = 0, tx_us = 0, tx_frames = 0;
  bool adaptive_rx = false, adaptive_tx = false;
};

struct Channels {  // queues
  std::uint32_t rx = 0, tx = 0, combined = 0;
};

struct PauseFrames {  // Ethernet flow control (IEEE 802.3x)
  bool rx = false, tx = false;
};

enum class Duplex { half, full };

constexpr std::string_view to_string(Duplex duplex) { return duplex == Duplex::full ? "full" : "half"; }

/// One of the driver's own counters (`ethtool -S`).
struct DriverStatistic {
  std::string name{};
  std::uint64_t value = 0;
  bool operator==(const DriverStatistic&) const = default;
};

class Ethtool {
 public:
  static Result<Ethtool> open();

  /// Empty when the device or its driver does not answer this question, here and below.
  [[nodiscard]] std::optional<DriverInfo> driver(const std::string& name) const;
  /// The link's speed; 0 when unknown, as when there is no carrier.
  [[nodiscard]] std::int64_t speed_bits_per_s(const std::string& name) const;
  /// Empty also when it is unknown.
  [[nodiscard]] std::optional<Duplex> duplex(const std::string& name) const;
  /// In the driver's order. None also when their number changed while they were read, as when queues are added.
  [[nodiscard]] std::vector<DriverStatistic> statistics(const std::string& name) const;
  [[nodiscard]] std::optional<RingSizes> rings(const std::string& name) const;
  [[nodiscard]] std::optional<Coalescing> coalescing(const std::string& name) const;
  [[nodiscard]] std::optional<Channels> channels(const std::string& name) const;
  [[nodiscard]] std::optional<PauseFrames> pause_frames(const std::string& name) const;
  /// Names of the offload features that are on: "tx-tcp-segmentation", "rx-gro" ...
  [[nodiscard]] std::vector<std::string> active_features(const std::string& name) const;
  /// ARPHRD_* of linux/if_arp.h: 1 is Ethernet, 32 InfiniBand.
  [[nodiscard]] std::optional<int> hardware_type(const std::string& name) const;

 private:
  explicit Ethtool(Fd socket) : socket_(std::move(socket)) {}
  bool ask(const std::string& name, void* question) const;
  /// How many strings the driver has of one kind (ETH_SS_*).
  [[nodiscard]] std::uint32_t count_strings(const std::string& name, int string_set) const;
  Fd socket_;
};

}  // namespace grit
