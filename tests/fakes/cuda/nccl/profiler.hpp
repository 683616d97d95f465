// What the fake NCCL tells a profiler plugin, in the order in which NCCL 2.28.9 does: the call, the operation as it is
// given to the device, and by another thread, as the device begins and ends them, its channels.
#pragma once

#include <array>
#include <cstdint>
#include <map>

#include "workloads/profiler/abi.hpp"

namespace grit::fake {

struct Operation;
enum class Kind : std::uint32_t;

inline constexpr std::uint8_t kChannels = 2;  // of each operation
using ChannelHandles = std::array<void*, kChannels>;

/// Of one communicator. The first one of a process loads the plugin that NCCL_PROFILER_PLUGIN names (its path, or
/// NAME of libnccl-profiler-NAME.so), the last one lets go of it. Without one nothing is told.
class Profile {
 public:
  Profile() = default;
  Profile(const Profile&) = delete;
  Profile& operator=(const Profile&) = delete;
  ~Profile() { close(); }

  void open(std::uint64_t hash, int nodes, int ranks, int rank);
  void close();

  /// The job calls; what is given back is the operation's parent.
  void* call(const Operation& operation) const;
  /// The operation is given to the device; its handle.
  void* begin(const Operation& operation);
  /// The device begins and ends all of its channels.
  [[nodiscard]] ChannelHandles begin_channels(void* operation, int device) const;
  void end_channels(const ChannelHandles& channels, int device) const;

 private:
  const nccl::Profiler* plugin_ = nullptr;
  void* context_ = nullptr;
  int mask_ = 0;
  int rank_ = 0;
  std::map<Kind, std::uint64_t> sequences_{};  // of collectives
};

}  // namespace grit::fake
