// How a local cluster looks: names, addresses and indices. Node indices count from 0.
#pragma once

#include <fmt/format.h>

#include <string>

namespace grit::layout {

constexpr const char* kDataNic = "eth0";
constexpr const char* kManagementNic = "mgmt0";
// Beyond the indices that a new network namespace gives to fallback tunnels (sit0, gre0 ...), whose number varies with
// the kernel.
constexpr int kDataIfindex = 100;
constexpr int kManagementIfindex = 101;
constexpr int kSwitchDataIfindex = 1000;        // + node
constexpr int kSwitchManagementIfindex = 2000;  // + node

constexpr const char* kDataNetwork = "10.77.1.0/24";
constexpr const char* kManagementNetwork = "10.77.0.0/24";
constexpr const char* kSwitchAddress = "10.77.0.254";  // of mpirun, on the management bridge
constexpr const char* kDataBridge = "data";
constexpr const char* kManagementBridge = "mgmt";
constexpr const char* kDataBridgeMac = "02:67:72:01:00:fe";
constexpr const char* kManagementBridgeMac = "02:67:72:00:00:fe";

// In every node's private /dev/shm, and in the cluster init's.
constexpr const char* kPrivateDirectory = "/dev/shm";
constexpr const char* kSwitchNetns = "/dev/shm/grit-switch-netns";
constexpr const char* kProgram = "/dev/shm/grit";  // symbolic link: a path without spaces for mpirun's argument list
constexpr const char* kRankStarted = "/dev/shm/grit-rank-started";  // in a node: mpirun has got a rank going there
constexpr const char* kNodeDirectory =
    "/dev/shm/grit-nodes";  // one file a management address, with the pid of the node's init

inline std::string node_name(int node) { return fmt::format("node{}", node); }
inline std::string data_address(int node) { return fmt::format("10.77.1.{}", node + 1); }
inline std::string data_address_v6(int node) { return fmt::format("fd77::{:x}", node + 1); }
inline std::string management_address(int node) { return fmt::format("10.77.0.{}", node + 1); }
inline std::string data_mac(int node) { return fmt::format("02:67:72:01:00:{:02x}", node + 1); }
inline std::string management_mac(int node) { return fmt::format("02:67:72:00:00:{:02x}", node + 1); }
inline std::string switch_data_mac(int node) { return fmt::format("02:67:72:81:00:{:02x}", node + 1); }
inline std::string switch_management_mac(int node) { return fmt::format("02:67:72:80:00:{:02x}", node + 1); }

}  // namespace grit::layout
