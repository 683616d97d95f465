// A stand-in for libnvidia-ml.so.1. It says of its GPUs what a text file says, whose path is in the environment
// variable GRIT_FAKE_NVML, and reads it again when another has been renamed into its place. Lines:
//   gpus 2                            how many there are
//   fields 575                        the numbers of the slowdown counters are those of that release; else of 580
//   hang FUNCTION SECONDS             it takes so long
//   abort FUNCTION                    it ends the process
//   return FUNCTION CODE              it fails
//   gpu0.return CODE                  whatever is asked of this GPU fails
//   gpu0.KEY VALUE                    a figure; see the functions below
//   gpu0.field.269 VALUE              of nvmlDeviceGetFieldValues, an unsigned number of 64 bits
//   gpu0.field.269 +VALUE/s           one that grows with CLOCK_MONOTONIC
//   gpu0.field.230 u32:VALUE          an unsigned number of 32 bits
//   gpu0.link5.field.163 VALUE        the same of a link
//   gpu0.link5.state 1
//   gpu0.event 79                     an Xid, told once; each such line that is added is one more
// A figure that the file does not have is "not supported". With GRIT_FAKE_NVML_OLD it is built as a library from before
// several functions got their present names, and without others.
#include <sys/stat.h>
#include <unistd.h>

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
    else if (key == "hang" || key == "return" || key == "abort")
      state.values[key + " " + value] = more.empty() ? "1" : more;
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

int enter(const char* function) {
  if (const auto seconds = value_of(std::string("hang ") + function))
    std::this_thread::sleep_for(std::chrono::duration<double>(std::strtod(seconds->c_str(), nullptr)));
  if (value_of(std::string("abort ") + function)) std::abort();
  return static_cast<int>(number_of(std::string("return ") + function).value_or(0));
}

std::string key_of(Device device, const char* key) { return "gpu" + std::to_string(device->index) + "." + key; }

int enter(const char* function, Device device) {
  const int code = enter(function);
  return code != 0 ? code : static_cast<int>(number_of(key_of(device, "return")).value_or(0));
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
  if (is_other_release(value.id)) {
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
TOLD_BY_LIBRARY nvmlDeviceGetClockInfo(Device device, int, unsigned* mhz) {
  return tell(__func__, device, "sm_mhz", mhz);
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
