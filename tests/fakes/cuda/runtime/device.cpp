// Devices, versions and errors.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <string>

#include "tests/fakes/cuda/runtime/runtime.hpp"

using namespace grit::fake;

namespace {

struct ErrorText {
  cudaError_t code;
  const char* name;
  const char* text;
};

/// Those that the fakes return and that tests script.
constexpr ErrorText kErrors[] = {
    {cudaSuccess, "cudaSuccess", "no error"},
    {cudaErrorInvalidValue, "cudaErrorInvalidValue", "invalid argument"},
    {cudaErrorMemoryAllocation, "cudaErrorMemoryAllocation", "out of memory"},
    {cudaErrorInitializationError, "cudaErrorInitializationError", "initialization error"},
    {cudaErrorInvalidConfiguration, "cudaErrorInvalidConfiguration", "invalid configuration argument"},
    {cudaErrorInsufficientDriver, "cudaErrorInsufficientDriver",
     "CUDA driver version is insufficient for CUDA runtime version"},
    {cudaErrorDevicesUnavailable, "cudaErrorDevicesUnavailable", "CUDA-capable device(s) is/are busy or unavailable"},
    {cudaErrorInvalidDeviceFunction, "cudaErrorInvalidDeviceFunction", "invalid device function"},
    {cudaErrorNoDevice, "cudaErrorNoDevice", "no CUDA-capable device is detected"},
    {cudaErrorInvalidDevice, "cudaErrorInvalidDevice", "invalid device ordinal"},
    {cudaErrorNoKernelImageForDevice, "cudaErrorNoKernelImageForDevice",
     "no kernel image is available for execution on the device"},
    {cudaErrorECCUncorrectable, "cudaErrorECCUncorrectable", "uncorrectable ECC error encountered"},
    {cudaErrorInvalidResourceHandle, "cudaErrorInvalidResourceHandle", "invalid resource handle"},
    {cudaErrorNotReady, "cudaErrorNotReady", "device not ready"},
    {cudaErrorIllegalAddress, "cudaErrorIllegalAddress", "an illegal memory access was encountered"},
    {cudaErrorPeerAccessAlreadyEnabled, "cudaErrorPeerAccessAlreadyEnabled", "peer access is already enabled"},
    {cudaErrorHostMemoryAlreadyRegistered, "cudaErrorHostMemoryAlreadyRegistered",
     "part or all of the requested memory range is already mapped"},
    {cudaErrorHostMemoryNotRegistered, "cudaErrorHostMemoryNotRegistered",
     "pointer does not correspond to a registered memory region"},
    {cudaErrorLaunchFailure, "cudaErrorLaunchFailure", "unspecified launch failure"},
    {cudaErrorNotSupported, "cudaErrorNotSupported", "operation not supported"},
    {cudaErrorSystemDriverMismatch, "cudaErrorSystemDriverMismatch",
     "system has unsupported display driver / cuda driver combination"},
    {cudaErrorUnknown, "cudaErrorUnknown", "unknown error"},
};

const ErrorText* find_error(cudaError_t code) {
  for (const ErrorText& error : kErrors)
    if (error.code == code) return &error;
  return nullptr;
}

bool is_device(int device) { return device >= 0 && device < static_cast<int>(runtime().devices.size()); }

struct PciAddress {
  unsigned domain = 0, bus = 0, device = 0;
};

PciAddress pci_address(int device) {
  PciAddress address{.bus = static_cast<unsigned>(device)};  // as the fake of NVML has it
  const std::string text = text_of("gpu" + std::to_string(device) + ".pci", "");
  (void)std::sscanf(text.c_str(), "%x:%x:%x", &address.domain, &address.bus, &address.device);
  return address;
}

std::string pci_text(int device) {
  const PciAddress address = pci_address(device);
  char text[32];
  std::snprintf(text, sizeof text, "%04X:%02X:%02X.0", address.domain, address.bus, address.device);
  return text;
}

std::size_t memory_bytes(int device) {
  return static_cast<std::size_t>(number_of(device, "memory_bytes", 1024.0 * 1024 * 1024));
}

constexpr int kMultiprocessors = 4;
constexpr int kClockKhz = 1'500'000;

void fill(cudaDeviceProp& properties, int device) {
  std::memset(&properties, 0, sizeof properties);
  std::strcpy(properties.name, "FAKE GPU");
  std::memcpy(properties.uuid.bytes, "FAKE GPU", 8);
  properties.uuid.bytes[15] = static_cast<char>(device);
  properties.totalGlobalMem = memory_bytes(device);
  properties.sharedMemPerBlock = 48 << 10;
  properties.sharedMemPerBlockOptin = 227 << 10;
  properties.sharedMemPerMultiprocessor = 228 << 10;
  properties.reservedSharedMemPerBlock = 1 << 10;
  properties.regsPerBlock = properties.regsPerMultiprocessor = 65536;
  properties.warpSize = 32;
  properties.maxThreadsPerBlock = 1024;
  properties.maxThreadsDim[0] = properties.maxThreadsDim[1] = 1024, properties.maxThreadsDim[2] = 64;
  properties.maxGridSize[0] = 0x7fffffff, properties.maxGridSize[1] = properties.maxGridSize[2] = 65535;
  properties.major = 9;
  properties.multiProcessorCount = kMultiprocessors;
  properties.maxThreadsPerMultiProcessor = 2048;
  properties.maxBlocksPerMultiProcessor = 32;
  properties.canMapHostMemory = properties.unifiedAddressing = properties.concurrentKernels = 1;
  properties.managedMemory = properties.hostRegisterSupported = properties.streamPrioritiesSupported = 1;
  properties.memoryPoolsSupported = 1;
  properties.asyncEngineCount = 2;
  properties.memoryBusWidth = 5120;
  properties.l2CacheSize = static_cast<int>(number_of(device, "l2_bytes", 50 << 20));
  const PciAddress address = pci_address(device);
  properties.pciDomainID = static_cast<int>(address.domain);
  properties.pciBusID = static_cast<int>(address.bus);
  properties.pciDeviceID = static_cast<int>(address.device);
}

}  // namespace

extern "C" {

void grit_fake_pci_address(int device, char address[16]) {
  const std::string text = pci_text(device);
  std::snprintf(address, 16, "%s", text.c_str());
}

cudaError_t cudaRuntimeGetVersion(int* version) {
  return api(__func__, Needs::nothing, [&](const Call&, Lock&) { return *version = CUDART_VERSION, cudaSuccess; });
}
cudaError_t cudaDriverGetVersion(int* version) {
  return api(__func__, Needs::nothing, [&](const Call&, Lock&) {
    return *version = static_cast<int>(number_of("driver", CUDART_VERSION)), cudaSuccess;
  });
}

const char* cudaGetErrorName(cudaError_t code) {
  const ErrorText* error = find_error(code);
  return error == nullptr ? "unrecognized error code" : error->name;
}
const char* cudaGetErrorString(cudaError_t code) {
  const ErrorText* error = find_error(code);
  return error == nullptr ? "unrecognized error code" : error->text;
}
cudaError_t cudaPeekAtLastError() {
  const Lock lock(runtime().mutex);
  const auto& devices = runtime().devices;
  const int device = current_device();
  const bool has_failed = is_device(device) && devices[device].failed != cudaSuccess;
  return has_failed ? devices[device].failed : last_error();
}
cudaError_t cudaGetLastError() {
  const cudaError_t code = cudaPeekAtLastError();
  last_error() = cudaSuccess;
  return code;
}

cudaError_t cudaGetDeviceCount(int* count) {
  *count = 0;
  return api(__func__, Needs::nothing, [&](const Call&, Lock&) {
    const cudaError_t code = runtime().start();
    if (code == cudaSuccess) *count = static_cast<int>(runtime().devices.size());
    return code;
  });
}
cudaError_t cudaGetDevice(int* device) {
  return api(__func__, Needs::nothing, [&](const Call&, Lock&) {
    const cudaError_t code = runtime().start();
    if (code == cudaSuccess) *device = current_device();
    return code;
  });
}
cudaError_t cudaSetDevice(int device) {
  return api(__func__, Needs::nothing, [&](const Call&, Lock&) {
    if (const cudaError_t code = runtime().start(); code != cudaSuccess) return code;
    if (!is_device(device)) return cudaErrorInvalidDevice;
    current_device() = device;
    return state_of(device);
  });
}
cudaError_t cudaInitDevice(int device, unsigned, unsigned) {
  return api(__func__, Needs::device,
             [&](const Call&, Lock&) { return is_device(device) ? state_of(device) : cudaErrorInvalidDevice; });
}
cudaError_t cudaSetDeviceFlags(unsigned) {
  return api(__func__, Needs::device, [](const Call&, Lock&) { return cudaSuccess; });
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  return api(__func__, Needs::device, [&](const Call&, Lock&) {
    if (!is_device(device)) return cudaErrorInvalidDevice;
    fill(*properties, device);
    return cudaSuccess;
  });
}
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device) {
  return api(__func__, Needs::device, [&](const Call&, Lock&) {
    if (!is_device(device)) return cudaErrorInvalidDevice;
    cudaDeviceProp properties;
    fill(properties, device);
    switch (attribute) {
      case cudaDevAttrMultiProcessorCount:
        return *value = kMultiprocessors, cudaSuccess;
      case cudaDevAttrComputeCapabilityMajor:
        return *value = properties.major, cudaSuccess;
      case cudaDevAttrComputeCapabilityMinor:
        return *value = properties.minor, cudaSuccess;
      case cudaDevAttrClockRate:
        return *value = kClockKhz, cudaSuccess;
      case cudaDevAttrMemoryClockRate:
        return *value = 2'600'000, cudaSuccess;
      case cudaDevAttrGlobalMemoryBusWidth:
        return *value = properties.memoryBusWidth, cudaSuccess;
      case cudaDevAttrL2CacheSize:
        return *value = properties.l2CacheSize, cudaSuccess;
      case cudaDevAttrMaxThreadsPerBlock:
        return *value = properties.maxThreadsPerBlock, cudaSuccess;
      case cudaDevAttrMaxThreadsPerMultiProcessor:
        return *value = properties.maxThreadsPerMultiProcessor, cudaSuccess;
      case cudaDevAttrMaxSharedMemoryPerBlock:
        return *value = static_cast<int>(properties.sharedMemPerBlock), cudaSuccess;
      case cudaDevAttrMaxSharedMemoryPerBlockOptin:
        return *value = static_cast<int>(properties.sharedMemPerBlockOptin), cudaSuccess;
      case cudaDevAttrReservedSharedMemoryPerBlock:
        return *value = static_cast<int>(properties.reservedSharedMemPerBlock), cudaSuccess;
      case cudaDevAttrMaxSharedMemoryPerMultiprocessor:
        return *value = static_cast<int>(properties.sharedMemPerMultiprocessor), cudaSuccess;
      case cudaDevAttrWarpSize:
        return *value = properties.warpSize, cudaSuccess;
      case cudaDevAttrPciBusId:
        return *value = properties.pciBusID, cudaSuccess;
      case cudaDevAttrPciDeviceId:
        return *value = properties.pciDeviceID, cudaSuccess;
      case cudaDevAttrPciDomainId:
        return *value = properties.pciDomainID, cudaSuccess;
      default:
        return cudaErrorInvalidValue;
    }
  });
}
cudaError_t cudaDeviceGetPCIBusId(char* text, int size, int device) {
  return api(__func__, Needs::device, [&](const Call&, Lock&) {
    if (!is_device(device)) return cudaErrorInvalidDevice;
    const std::string address = pci_text(device);
    if (size <= static_cast<int>(address.size())) return cudaErrorInvalidValue;
    std::memcpy(text, address.c_str(), address.size() + 1);
    return cudaSuccess;
  });
}
cudaError_t cudaDeviceGetByPCIBusId(int* device, const char* text) {
  return api(__func__, Needs::device, [&](const Call&, Lock&) {
    PciAddress wanted;
    if (std::sscanf(text, "%x:%x:%x", &wanted.domain, &wanted.bus, &wanted.device) != 3) return cudaErrorInvalidValue;
    for (int i = 0; is_device(i); ++i) {
      const PciAddress one = pci_address(i);
      if (one.domain == wanted.domain && one.bus == wanted.bus && one.device == wanted.device)
        return *device = i, cudaSuccess;
    }
    return cudaErrorInvalidDevice;
  });
}

cudaError_t cudaDeviceSynchronize() {
  return api(__func__, Needs::device,
             [](const Call&, Lock& lock) { return runtime().wait_for_device(current_device(), lock); });
}
cudaError_t cudaDeviceGetStreamPriorityRange(int* least, int* greatest) {
  return api(__func__, Needs::device, [&](const Call&, Lock&) { return *least = 0, *greatest = -5, cudaSuccess; });
}
cudaError_t cudaDeviceCanAccessPeer(int* can, int device, int peer) {
  return api(__func__, Needs::device, [&](const Call&, Lock&) {
    if (!is_device(device) || !is_device(peer)) return cudaErrorInvalidDevice;
    return *can = device != peer && number_of("peers", 1) != 0, cudaSuccess;
  });
}
cudaError_t cudaDeviceEnablePeerAccess(int peer, unsigned) {
  return api(__func__, Needs::device, [&](const Call&, Lock&) {
    return is_device(peer) && peer != current_device() ? cudaSuccess : cudaErrorInvalidDevice;
  });
}

cudaError_t cudaMemGetInfo(size_t* free_bytes, size_t* total_bytes) {
  return api(__func__, Needs::device, [&](const Call&, Lock&) {
    *total_bytes = memory_bytes(current_device());
    const std::size_t used_bytes = runtime().devices[current_device()].used_bytes;
    *free_bytes = *total_bytes > used_bytes ? *total_bytes - used_bytes : 0;
    return cudaSuccess;
  });
}

}  // extern "C"
