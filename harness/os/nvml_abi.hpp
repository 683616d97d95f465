// The part of the NVIDIA management library's interface that grit asks: names, types, sizes and numbers as
// docs.nvidia.com/deploy/nvml-api has them, declared here so that grit builds without anything of NVIDIA's.
#pragma once

#include <array>
#include <cstdint>

namespace grit::nvml {

using Device = struct OpaqueDevice*;
using EventSet = struct OpaqueEventSet*;

/// What a function of the library returns, where grit tells one from another.
enum Code : int {
  success = 0,
  uninitialized = 1,
  invalid_argument = 2,
  not_supported = 3,
  no_permission = 4,
  not_found = 6,
  driver_not_loaded = 9,
  timeout = 10,
  function_not_found = 13,  // also grit's own word for one that the library does not have
  gpu_is_lost = 15,
  reset_required = 16,
  operating_system = 17,  // the control group does not allow the device
  version_mismatch = 18,  // of library and kernel module
  unknown_error = 999
};

enum Clock : int { sm_clock = 1, memory_clock = 2 };
enum EccType : int { corrected = 0, uncorrected = 1 };
enum EccCounter : int { since_load = 0, of_life = 1 };

/// Why clocks are low, bit by bit (nvmlClocksEventReasons).
namespace reason {
constexpr std::uint64_t idle = 0x1;
constexpr std::uint64_t application_clocks = 0x2;  // or locked clocks
constexpr std::uint64_t power_cap = 0x4;
constexpr std::uint64_t hw_slowdown = 0x8;
constexpr std::uint64_t sync_boost = 0x10;
constexpr std::uint64_t sw_thermal = 0x20;
constexpr std::uint64_t hw_thermal = 0x40;
constexpr std::uint64_t hw_power_brake = 0x80;
constexpr std::uint64_t display_clocks = 0x100;
}  // namespace reason

/// What nvmlDeviceGetFieldValues is asked for. Of NVLink: FieldValue::scope is the link.
namespace field {
constexpr std::uint32_t throttle_power_ns = 74;  // held back by its power limit; the driver counts in steps of 100 ms
constexpr std::uint32_t throttle_thermal_ns = 75;
constexpr std::uint32_t nvlink_count = 91;
constexpr std::uint32_t nvlink_replays = 161, nvlink_recoveries = 162, nvlink_crc_errors = 163;  // up to Hopper
constexpr std::uint32_t nvlink_recovered = 213, nvlink_failed_recoveries = 214;                  // from Blackwell on
constexpr std::uint32_t nvlink_effective_errors = 219;
constexpr std::uint32_t recovery_action = 230;
// Time in software thermal, hardware thermal and power brake slowdown: a driver of release 575 has these three numbers,
// from 580 on they are others, and each triple means something else in the other release.
constexpr std::array<std::uint32_t, 3> slowdowns_575{251, 252, 253};
constexpr std::array<std::uint32_t, 3> slowdowns_580{269, 270, 271};
}  // namespace field

namespace event {
constexpr std::uint64_t double_bit_ecc = 0x2;
constexpr std::uint64_t xid = 0x8;
constexpr std::uint64_t gpu_unavailable = 0x4000;
constexpr std::uint64_t recovery_action = 0x8000;
}  // namespace event

enum ValueType : std::uint32_t {
  of_double = 0,
  of_u32 = 1,
  of_ulong = 2,
  of_u64 = 3,
  of_i64 = 4,
  of_i32 = 5,
  of_u16 = 6
};

struct FieldValue {
  std::uint32_t id = 0;
  std::uint32_t scope = 0;
  std::int64_t timestamp_us = 0;  // since the epoch
  std::int64_t latency_us = 0;
  std::uint32_t type = 0;  // ValueType
  int code = 0;            // of this value; the call itself succeeds although some of its values do not
  union {
    double as_double;
    std::uint32_t as_u32;
    std::uint64_t as_u64 = 0;
    std::int64_t as_i64;
    std::int32_t as_i32;
    std::uint16_t as_u16;
  } value;
};

struct PciInfo {
  std::array<char, 16> legacy_bus_id{};
  std::uint32_t domain = 0, bus = 0, device = 0;
  std::uint32_t device_id = 0, subsystem_id = 0;
  std::array<char, 32> bus_id{};  // "00000000:81:00.0"
};

struct Utilization {
  std::uint32_t gpu_percent = 0, memory_percent = 0;
};

/// How many banks have how many spare rows left.
struct RowRemapperHistogram {
  std::uint32_t max = 0, high = 0, partial = 0, low = 0, none = 0;
};

struct EventData {
  Device device = nullptr;
  std::uint64_t type = 0;
  std::uint64_t data = 0;  // of event::xid its number
  std::uint32_t gpu_instance = 0, compute_instance = 0;
};

static_assert(sizeof(FieldValue) == 40 && sizeof(PciInfo) == 68 && sizeof(Utilization) == 8);
static_assert(sizeof(RowRemapperHistogram) == 20 && sizeof(EventData) == 32);

/// X(member, symbol, older symbol or nullptr, parameters): every function that grit calls; all return a Code.
// clang-format off
#define GRIT_NVML_FUNCTIONS(X) \
  X(init, "nvmlInit_v2", nullptr, ()) \
  X(shutdown, "nvmlShutdown", nullptr, ()) \
  X(device_count, "nvmlDeviceGetCount_v2", nullptr, (unsigned*)) \
  X(device_by_index, "nvmlDeviceGetHandleByIndex_v2", nullptr, (unsigned, Device*)) \
  X(device_by_uuid, "nvmlDeviceGetHandleByUUID", nullptr, (const char*, Device*)) \
  X(driver_version, "nvmlSystemGetDriverVersion", nullptr, (char*, unsigned)) \
  X(uuid, "nvmlDeviceGetUUID", nullptr, (Device, char*, unsigned)) \
  X(name, "nvmlDeviceGetName", nullptr, (Device, char*, unsigned)) \
  X(pci_info, "nvmlDeviceGetPciInfo_v3", nullptr, (Device, PciInfo*)) \
  X(pcie_generation, "nvmlDeviceGetCurrPcieLinkGeneration", nullptr, (Device, unsigned*)) \
  X(max_pcie_generation, "nvmlDeviceGetMaxPcieLinkGeneration", nullptr, (Device, unsigned*)) \
  X(pcie_width, "nvmlDeviceGetCurrPcieLinkWidth", nullptr, (Device, unsigned*)) \
  X(max_pcie_width, "nvmlDeviceGetMaxPcieLinkWidth", nullptr, (Device, unsigned*)) \
  X(mig_mode, "nvmlDeviceGetMigMode", nullptr, (Device, unsigned*, unsigned*)) \
  X(clock, "nvmlDeviceGetClockInfo", nullptr, (Device, int, unsigned*)) \
  X(max_clock, "nvmlDeviceGetMaxClockInfo", nullptr, (Device, int, unsigned*)) \
  X(clock_reasons, "nvmlDeviceGetCurrentClocksEventReasons", "nvmlDeviceGetCurrentClocksThrottleReasons", (Device, std::uint64_t*)) \
  X(supported_reasons, "nvmlDeviceGetSupportedClocksEventReasons", "nvmlDeviceGetSupportedClocksThrottleReasons", (Device, std::uint64_t*)) \
  X(utilization, "nvmlDeviceGetUtilizationRates", nullptr, (Device, Utilization*)) \
  X(power_mw, "nvmlDeviceGetPowerUsage", nullptr, (Device, unsigned*)) \
  X(power_limit_mw, "nvmlDeviceGetEnforcedPowerLimit", nullptr, (Device, unsigned*)) \
  X(default_power_limit_mw, "nvmlDeviceGetPowerManagementDefaultLimit", nullptr, (Device, unsigned*)) \
  X(power_setting_mw, "nvmlDeviceGetPowerManagementLimit", nullptr, (Device, unsigned*)) \
  X(power_limit_range_mw, "nvmlDeviceGetPowerManagementLimitConstraints", nullptr, (Device, unsigned*, unsigned*)) \
  X(set_power_limit_mw, "nvmlDeviceSetPowerManagementLimit", nullptr, (Device, unsigned)) \
  X(lock_clocks_mhz, "nvmlDeviceSetGpuLockedClocks", nullptr, (Device, unsigned, unsigned)) \
  X(unlock_clocks, "nvmlDeviceResetGpuLockedClocks", nullptr, (Device)) \
  X(performance_state, "nvmlDeviceGetPerformanceState", nullptr, (Device, int*)) \
  X(ecc_errors, "nvmlDeviceGetTotalEccErrors", nullptr, (Device, int, int, std::uint64_t*)) \
  X(remapped_rows, "nvmlDeviceGetRemappedRows", nullptr, (Device, unsigned*, unsigned*, unsigned*, unsigned*)) \
  X(remapper_histogram, "nvmlDeviceGetRowRemapperHistogram", nullptr, (Device, RowRemapperHistogram*)) \
  X(retired_pages_pending, "nvmlDeviceGetRetiredPagesPendingStatus", nullptr, (Device, int*)) \
  X(field_values, "nvmlDeviceGetFieldValues", nullptr, (Device, int, FieldValue*)) \
  X(nvlink_state, "nvmlDeviceGetNvLinkState", nullptr, (Device, unsigned, int*)) \
  X(supported_events, "nvmlDeviceGetSupportedEventTypes", nullptr, (Device, std::uint64_t*)) \
  X(event_set_create, "nvmlEventSetCreate", nullptr, (EventSet*)) \
  X(event_set_free, "nvmlEventSetFree", nullptr, (EventSet)) \
  X(register_events, "nvmlDeviceRegisterEvents", nullptr, (Device, std::uint64_t, EventSet)) \
  X(event_wait, "nvmlEventSetWait_v2", "nvmlEventSetWait", (EventSet, EventData*, unsigned))
// clang-format on

/// What the library writes a text into is at least as large (NVML_DEVICE_UUID_V2_BUFFER_SIZE and the like, nvml.h).
inline constexpr unsigned kMostText_bytes = 96;

/// One pointer a function; null: the library does not have it.
struct Functions {
#define GRIT_NVML_MEMBER(member, symbol, older, parameters) int(*member) parameters = nullptr;
  GRIT_NVML_FUNCTIONS(GRIT_NVML_MEMBER)
#undef GRIT_NVML_MEMBER
};

}  // namespace grit::nvml
