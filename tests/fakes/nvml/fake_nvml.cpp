// A stand-in for libnvidia-ml.so.1. It says of its GPUs what a text file says, whose path is in the environment
// variable GRIT_FAKE_NVML, and reads it again when another has been renamed into its place. Lines:
//   gpus 2                            how many there are
//   fields 575                        the numbers of the slowdown counters are those of that release; else of 580
//   hang FUNCTION SECONDS             it takes so long
//   late FUNCTION SECONDS             of one that sets: it does not return, and sets after so long, although its
//   process
//                                     is killed: as one that waits in the driver, with all that it has open
//   abort FUNCTION                    it ends the process
//   return FUNCTION CODE              it fails
//   fail N CODE                       the N-th call of all fails, over all processes, from 1 on, since there is a file
//   fail_from N CODE                  PATH.count with a byte a call; fail_from: that one and all later ones
//   gpu0.return CODE                  whatever is asked of this GPU fails
//   gpu0.hang SECONDS                 whatever is asked of this GPU takes so long
//   gpu0.KEY VALUE                    a figure; see the functions below
//   gpu0.field.269 VALUE              of nvmlDeviceGetFieldValues, an unsigned number of 64 bits
//   gpu0.field.269 +VALUE/s           one that grows with CLOCK_MONOTONIC
//   gpu0.field.230 u32:VALUE          an unsigned number of 32 bits
//   gpu0.link5.field.163 VALUE        the same of a link
//   gpu0.link5.state 1
//   gpu0.capped_below_mw VALUE        field 74 grows while its power limit is below that, in ns
//   gpu0.event 79                     an Xid, told once; each such line that is added is one more
// What is set is the file PATH.set, for all processes: gpu0.limit_mw, gpu0.lock_mhz (0: none), gpu0.capped_ns and
// gpu0.capped_at_ns (CLOCK_MONOTONIC); a clock is at most what it is locked to.
// A figure that the file does not have is "not supported". With GRIT_FAKE_NVML_OLD it is built as a library from before
// several functions got their present names, and without others.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <mutex>
#include <optional>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "harness/os/nvml_abi.hpp"

struct grit::nvml::OpaqueDevice {
  unsigned index;
};
struct grit::nvml::OpaqueEventSet {};

namespace {

using namespace grit::nvml;

constexpr unsigned kMostGpus = 32;

struct Event {
  unsigned gpu;
  std::uint64_t xid;
};

/// What the file says.
struct State {
  ino_t file = 0;
  std::map<std::string, std::string> values{};
  std::vector<Event> events{};
};

struct Fake {
  std::mutex mutex{};
  State state{};
  OpaqueDevice devices[kMostGpus]{};
  OpaqueEventSet set{};
  std::size_t told_events = 0;
  bool is_late = false;
};

Fake& fake() {
  static Fake one;
  return one;
}

State read_state(const char* path, ino_t file) {
  State state{.file = file};
  std::ifstream lines(path);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string key, value, more;
    words >> key >> value >> more;
    unsigned gpu = 0;
    int length = 0;
    if (std::sscanf(key.c_str(), "gpu%u.event%n", &gpu, &length) == 1 && length == static_cast<int>(key.size()))
      state.events.push_back({gpu, std::strtoull(value.c_str(), nullptr, 0)});
    else if (key == "hang" || key == "return" || key == "abort" || key == "late")
      state.values[key + " " + value] = more.empty() ? "1" : more;
    else if (key == "fail" || key == "fail_from")
      state.values[key] = value, state.values[key + " code"] = more;
    else
      state.values[key] = value;
  }
  return state;
}

std::optional<std::string> value_of(const std::string& key) {
  Fake& one = fake();
  const std::lock_guard lock(one.mutex);
  const char* path = std::getenv("GRIT_FAKE_NVML");
  struct stat found {};
  if (path != nullptr && ::stat(path, &found) == 0 && found.st_ino != one.state.file)
    one.state = read_state(path, found.st_ino);
  const auto value = one.state.values.find(key);
  if (value == one.state.values.end()) return std::nullopt;
  return value->second;
}

std::optional<std::uint64_t> number_of(const std::string& key) {
  const auto text = value_of(key);
  if (!text) return std::nullopt;
  return std::strtoull(text->c_str(), nullptr, 0);
}

/// Which call of all this is, from 1 on.
std::uint64_t count_call() {
  const int file = ::open((std::string(std::getenv("GRIT_FAKE_NVML")) + ".count").c_str(),
                          O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  struct stat now {};
  const bool counted = file >= 0 && ::write(file, ".", 1) == 1 && ::fstat(file, &now) == 0;
  if (file >= 0) ::close(file);
  return counted ? static_cast<std::uint64_t>(now.st_size) : 0;
}

/// The code of the call that is to fail by its number; 0: it does not.
int planned_failure() {
  const auto one = number_of("fail"), from = number_of("fail_from");
  if (!one && !from) return 0;
  const std::uint64_t call = count_call();
  if (one && call == *one) return static_cast<int>(number_of("fail code").value_or(unknown_error));
  return from && call >= *from ? static_cast<int>(number_of("fail_from code").value_or(unknown_error)) : 0;
}

/// A kernel that does not let a killed process go cannot be had here: a child goes on in its place, and the process
/// itself never returns.
void be_late(double seconds) {
  if (::fork() != 0) {
    for (;;) ::pause();
  }
  ::setsid();
  std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
  fake().is_late = true;  // it sets, and ends
}

int enter(const char* function) {
  if (const auto seconds = value_of(std::string("late ") + function)) be_late(std::strtod(seconds->c_str(), nullptr));
  if (const auto seconds = value_of(std::string("hang ") + function))
    std::this_thread::sleep_for(std::chrono::duration<double>(std::strtod(seconds->c_str(), nullptr)));
  if (value_of(std::string("abort ") + function)) std::abort();
  if (const int code = planned_failure()) return code;
  return static_cast<int>(number_of(std::string("return ") + function).value_or(0));
}

std::string key_of(Device device, const char* key) { return "gpu" + std::to_string(device->index) + "." + key; }

int state_of(Device device) {
  if (const auto seconds = value_of(key_of(device, "hang")))
    std::this_thread::sleep_for(std::chrono::duration<double>(std::strtod(seconds->c_str(), nullptr)));
  return static_cast<int>(number_of(key_of(device, "return")).value_or(0));
}

int enter(const char* function, Device device) {
  const int code = enter(function);
  return code != 0 ? code : state_of(device);
}

std::string uuid_of(Device device) {
  return value_of(key_of(device, "uuid")).value_or("GPU-fake-" + std::to_string(device->index));
}

/// A figure of the file.
template <class Value>
int tell(const char* function, Device device, const char* key, Value* value) {
  if (const int code = enter(function, device)) return code;
  const auto number = number_of(key_of(device, key));
  if (!number) return not_supported;
  *value = static_cast<Value>(*number);
  return success;
}

int tell_text(const char* function, Device device, const std::string& text, char* to, std::size_t size) {
  if (const int code = enter(function, device)) return code;
  if (text.size() >= size) return 7;  // the buffer is too small
  std::memcpy(to, text.c_str(), text.size() + 1);
  return success;
}

double monotonic_s() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

std::string set_path() { return std::string(std::getenv("GRIT_FAKE_NVML")) + ".set"; }

std::map<std::string, std::uint64_t> read_set() {
  std::map<std::string, std::uint64_t> set;
  std::ifstream lines(set_path());
  std::uint64_t value = 0;
  for (std::string key; lines >> key >> value;) set[key] = value;
  return set;
}

/// One process sets at a time. One that is late ends with it.
void write_set(const std::map<std::string, std::uint64_t>& set) {
  const std::string next = set_path() + ".next";
  {
    std::ofstream lines(next);
    for (const auto& [key, value] : set) lines << key << " " << value << "\n";
  }
  ::rename(next.c_str(), set_path().c_str());
  if (fake().is_late) ::_exit(0);
}

std::uint64_t limit_mw_of(Device device, const std::map<std::string, std::uint64_t>& set) {
  const auto limit = set.find(key_of(device, "limit_mw"));
  return limit != set.end() ? limit->second : number_of(key_of(device, "limit_mw")).value_or(0);
}

std::uint64_t now_ns() { return static_cast<std::uint64_t>(monotonic_s() * 1e9); }

/// For how long its power limit has held the GPU back until now.
std::uint64_t capped_ns(Device device, const std::map<std::string, std::uint64_t>& set) {
  const auto of = [&](const char* key) {
    const auto found = set.find(key_of(device, key));
    return found == set.end() ? std::uint64_t{0} : found->second;
  };
  const bool capped = limit_mw_of(device, set) < number_of(key_of(device, "capped_below_mw")).value_or(0);
  const std::uint64_t since_ns = of("capped_at_ns");
  return of("capped_ns") + (capped && since_ns > 0 ? now_ns() - since_ns : 0);
}

/// Slowdown counters have these numbers in the other release's place: power smoothing, a setting.
bool is_other_release(std::uint32_t id) {
  const bool is_575 = number_of("fields").value_or(580) == 575;
  const auto& other = is_575 ? field::slowdowns_580 : field::slowdowns_575;
  return id >= other.front() && id <= other.back();
}

[[maybe_unused]] void fill(Device device, FieldValue& value) {
  const std::string id = std::to_string(value.id);
  auto text = value_of(key_of(device, ("field." + id).c_str()));
  if (value.scope != 0 || !text)
    if (auto of_link = value_of(key_of(device, ("link" + std::to_string(value.scope) + ".field." + id).c_str())))
      text = of_link;
  value.code = success;
  value.type = of_u64;
  if (value.id == field::throttle_power_ns && number_of(key_of(device, "capped_below_mw"))) {
    value.value.as_u64 = capped_ns(device, read_set());
  } else if (is_other_release(value.id)) {
    value.type = of_u32, value.value.as_u32 = 50;
  } else if (!text) {
    value.code = not_supported;
  } else if (text->starts_with("u32:")) {
    value.type = of_u32, value.value.as_u32 = static_cast<std::uint32_t>(std::strtoul(text->c_str() + 4, nullptr, 0));
  } else if (text->starts_with("+")) {
    value.value.as_u64 = static_cast<std::uint64_t>(std::strtod(text->c_str(), nullptr) * monotonic_s());
  } else {
    value.value.as_u64 = std::strtoull(text->c_str(), nullptr, 0);
  }
}

int wait(const char* function, EventData* data, unsigned milliseconds) {
  if (const int code = enter(function)) return code;
  Fake& one = fake();
  for (unsigned waited = 0;; ++waited) {
    (void)value_of("");  // reads the file
    {
      const std::lock_guard lock(one.mutex);
      if (one.told_events < one.state.events.size()) {
        const Event event = one.state.events[one.told_events++];
        *data = {.device = &one.devices[event.gpu % kMostGpus], .type = event::xid, .data = event.xid};
        data->gpu_instance = data->compute_instance = 0xffffffff;
        return success;
      }
    }
    if (waited >= milliseconds) return timeout;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

}  // namespace

/// That it is no vendor's.
extern "C" __attribute__((visibility("default"))) const char grit_fake_library[] = "nvml";

#define TOLD_BY_LIBRARY extern "C" __attribute__((visibility("default"))) int

TOLD_BY_LIBRARY nvmlInit_v2() {
  Fake& one = fake();
  for (unsigned i = 0; i < kMostGpus; ++i) one.devices[i].index = i;
  return enter(__func__);
}
TOLD_BY_LIBRARY nvmlShutdown() { return enter(__func__); }

TOLD_BY_LIBRARY nvmlDeviceGetCount_v2(unsigned* count) {
  if (const int code = enter(__func__)) return code;
  *count = static_cast<unsigned>(number_of("gpus").value_or(0));
  return success;
}
TOLD_BY_LIBRARY nvmlDeviceGetHandleByIndex_v2(unsigned index, Device* device) {
  if (const int code = enter(__func__)) return code;
  if (index >= kMostGpus || index >= number_of("gpus").value_or(0)) return invalid_argument;
  *device = &fake().devices[index];
  return enter(__func__, *device);
}
TOLD_BY_LIBRARY nvmlDeviceGetPciInfo_v3(Device device, PciInfo* info) {
  const std::string address =
      value_of(key_of(device, "pci")).value_or("00000000:0" + std::to_string(device->index) + ":00.0");
  return tell_text(__func__, device, address, info->bus_id.data(), info->bus_id.size());
}
TOLD_BY_LIBRARY nvmlDeviceGetHandleByUUID(const char* uuid, Device* device) {
  if (const int code = enter(__func__)) return code;
  for (unsigned i = 0; i < kMostGpus && i < number_of("gpus").value_or(0); ++i) {
    *device = &fake().devices[i];
    if (uuid_of(*device) == uuid) return state_of(*device);
  }
  return not_found;
}
TOLD_BY_LIBRARY nvmlSystemGetDriverVersion(char* text, unsigned size) {
  if (const int code = enter(__func__)) return code;
  const std::string version = value_of("driver").value_or("580.0");
  if (version.size() >= size) return 7;
  std::memcpy(text, version.c_str(), version.size() + 1);
  return success;
}
TOLD_BY_LIBRARY nvmlDeviceGetUUID(Device device, char* text, unsigned size) {
  return tell_text(__func__, device, uuid_of(device), text, size);
}
TOLD_BY_LIBRARY nvmlDeviceGetName(Device device, char* text, unsigned size) {
  return tell_text(__func__, device, value_of(key_of(device, "name")).value_or("FAKE"), text, size);
}
TOLD_BY_LIBRARY nvmlDeviceGetCurrPcieLinkGeneration(Device device, unsigned* value) {
  return tell(__func__, device, "pcie_generation", value);
}
TOLD_BY_LIBRARY nvmlDeviceGetMaxPcieLinkGeneration(Device device, unsigned* value) {
  return tell(__func__, device, "max_pcie_generation", value);
}
TOLD_BY_LIBRARY nvmlDeviceGetCurrPcieLinkWidth(Device device, unsigned* value) {
  return tell(__func__, device, "pcie_width", value);
}
TOLD_BY_LIBRARY nvmlDeviceGetMaxPcieLinkWidth(Device device, unsigned* value) {
  return tell(__func__, device, "max_pcie_width", value);
}
TOLD_BY_LIBRARY nvmlDeviceGetMigMode(Device device, unsigned* now, unsigned* pending) {
  *pending = 0;
  return tell(__func__, device, "mig", now);
}
TOLD_BY_LIBRARY nvmlDeviceGetClockInfo(Device device, int, unsigned* mhz) {
  const int code = tell(__func__, device, "sm_mhz", mhz);
  const auto set = read_set();
  const auto lock = set.find(key_of(device, "lock_mhz"));
  if (code == success && lock != set.end() && lock->second > 0)
    *mhz = std::min(*mhz, static_cast<unsigned>(lock->second));
  return code;
}
TOLD_BY_LIBRARY nvmlDeviceSetGpuLockedClocks(Device device, unsigned min_mhz, unsigned max_mhz) {
  if (const int code = enter(__func__, device)) return code;
  if (min_mhz > max_mhz) return invalid_argument;
  auto set = read_set();
  set[key_of(device, "lock_mhz")] = max_mhz;
  write_set(set);
  return success;
}
TOLD_BY_LIBRARY nvmlDeviceResetGpuLockedClocks(Device device) {
  if (const int code = enter(__func__, device)) return code;
  auto set = read_set();
  set[key_of(device, "lock_mhz")] = 0;
  write_set(set);
  return success;
}
TOLD_BY_LIBRARY nvmlDeviceGetPowerManagementLimit(Device device, unsigned* mw) {
  const int code = tell(__func__, device, "limit_mw", mw);
  if (code == success) *mw = static_cast<unsigned>(limit_mw_of(device, read_set()));
  return code;
}
TOLD_BY_LIBRARY nvmlDeviceGetPowerManagementLimitConstraints(Device device, unsigned* lowest_mw, unsigned* highest_mw) {
  if (const int code = tell(__func__, device, "lowest_mw", lowest_mw)) return code;
  *highest_mw = static_cast<unsigned>(number_of(key_of(device, "limit_mw")).value_or(0));
  return success;
}
TOLD_BY_LIBRARY nvmlDeviceSetPowerManagementLimit(Device device, unsigned mw) {
  if (const int code = enter(__func__, device)) return code;
  if (mw < number_of(key_of(device, "lowest_mw")).value_or(0)) return invalid_argument;
  auto set = read_set();
  set[key_of(device, "capped_ns")] = capped_ns(device, set);
  set[key_of(device, "capped_at_ns")] = now_ns();
  set[key_of(device, "limit_mw")] = mw;
  write_set(set);
  return success;
}
TOLD_BY_LIBRARY nvmlDeviceGetMaxClockInfo(Device device, int, unsigned* mhz) {
  return tell(__func__, device, "max_mhz", mhz);
}
TOLD_BY_LIBRARY nvmlDeviceGetPowerUsage(Device device, unsigned* mw) { return tell(__func__, device, "power_mw", mw); }
TOLD_BY_LIBRARY nvmlDeviceGetEnforcedPowerLimit(Device device, unsigned* mw) {
  return tell(__func__, device, "limit_mw", mw);
}
TOLD_BY_LIBRARY nvmlDeviceGetPowerManagementDefaultLimit(Device device, unsigned* mw) {
  return tell(__func__, device, "default_limit_mw", mw);
}
TOLD_BY_LIBRARY nvmlDeviceGetPerformanceState(Device device, int* state) {
  return tell(__func__, device, "pstate", state);
}
TOLD_BY_LIBRARY nvmlDeviceGetUtilizationRates(Device device, Utilization* used) {
  return tell(__func__, device, "used_percent", &used->gpu_percent);
}
TOLD_BY_LIBRARY nvmlDeviceGetTotalEccErrors(Device device, int type, int, std::uint64_t* count) {
  return tell(__func__, device, type == corrected ? "corrected" : "uncorrected", count);
}
TOLD_BY_LIBRARY nvmlDeviceGetRetiredPagesPendingStatus(Device device, int* pending) {
  return tell(__func__, device, "page_pending", pending);
}
TOLD_BY_LIBRARY nvmlDeviceGetNvLinkState(Device device, unsigned link, int* state) {
  return tell(__func__, device, ("link" + std::to_string(link) + ".state").c_str(), state);
}

TOLD_BY_LIBRARY nvmlEventSetCreate(EventSet* set) {
  if (const int code = enter(__func__)) return code;
  (void)value_of("");
  Fake& one = fake();
  const std::lock_guard lock(one.mutex);
  one.told_events = one.state.events.size();
  *set = &one.set;
  return success;
}
TOLD_BY_LIBRARY nvmlEventSetFree(EventSet) { return enter(__func__); }
TOLD_BY_LIBRARY nvmlDeviceGetSupportedEventTypes(Device device, std::uint64_t* types) {
  return tell(__func__, device, "events", types);
}
TOLD_BY_LIBRARY nvmlDeviceRegisterEvents(Device device, std::uint64_t, EventSet) { return enter(__func__, device); }

#ifdef GRIT_FAKE_NVML_OLD

TOLD_BY_LIBRARY nvmlDeviceGetCurrentClocksThrottleReasons(Device device, std::uint64_t* reasons) {
  return tell(__func__, device, "reasons", reasons);
}
TOLD_BY_LIBRARY nvmlEventSetWait(EventSet, EventData* data, unsigned milliseconds) {
  return wait(__func__, data, milliseconds);
}

#else

TOLD_BY_LIBRARY nvmlDeviceGetCurrentClocksEventReasons(Device device, std::uint64_t* reasons) {
  return tell(__func__, device, "reasons", reasons);
}
TOLD_BY_LIBRARY nvmlDeviceGetSupportedClocksEventReasons(Device device, std::uint64_t* reasons) {
  return tell(__func__, device, "supported_reasons", reasons);
}
TOLD_BY_LIBRARY nvmlDeviceGetRemappedRows(Device device, unsigned* corrected_rows, unsigned* uncorrected_rows,
                                          unsigned* pending, unsigned* failed) {
  *corrected_rows = *uncorrected_rows = *failed = 0;
  if (const int code = tell(__func__, device, "remap_pending", pending)) return code;
  const auto number = [&](const char* key) {
    return static_cast<unsigned>(number_of(key_of(device, key)).value_or(0));
  };
  *corrected_rows = number("remap_corrected"), *uncorrected_rows = number("remap_uncorrected");
  *failed = number("remap_failed");
  return success;
}
TOLD_BY_LIBRARY nvmlDeviceGetRowRemapperHistogram(Device device, RowRemapperHistogram* histogram) {
  return tell(__func__, device, "banks_without_spare", &histogram->none);
}
TOLD_BY_LIBRARY nvmlDeviceGetFieldValues(Device device, int count, FieldValue* values) {
  if (const int code = enter(__func__, device)) return code;
  for (int i = 0; i < count; ++i) fill(device, values[i]);
  return success;
}
TOLD_BY_LIBRARY nvmlEventSetWait_v2(EventSet, EventData* data, unsigned milliseconds) {
  return wait(__func__, data, milliseconds);
}

#endif
