#include "workloads/accelerator/why.hpp"

#include <algorithm>
#include <cstdio>
#include <cstring>

namespace grit::accelerator {
namespace {

std::int32_t meaning_of(cudaError_t code) {
  switch (code) {
    case cudaSuccess:
      return GRIT_OK;
    case cudaErrorNotReady:
      return GRIT_PENDING;
    case cudaErrorMemoryAllocation:
      return GRIT_NO_MEMORY;
    case cudaErrorInvalidValue:
    case cudaErrorInvalidDevice:
    case cudaErrorInvalidResourceHandle:
      return GRIT_INVALID;
    case cudaErrorNoDevice:
    case cudaErrorInsufficientDriver:
    case cudaErrorCallRequiresNewerDriver:
    case cudaErrorStubLibrary:
    case cudaErrorInitializationError:
    case cudaErrorDevicesUnavailable:
    case cudaErrorSystemNotReady:
    case cudaErrorSystemDriverMismatch:
    case cudaErrorCompatNotSupportedOnDevice:
    case cudaErrorNoKernelImageForDevice:
      return GRIT_UNAVAILABLE;
    // After each of these the context does not work any more (driver_types.h: "the process must be terminated").
    case cudaErrorECCUncorrectable:
    case cudaErrorNvlinkUncorrectable:
    case cudaErrorContained:
    case cudaErrorIllegalAddress:
    case cudaErrorLaunchFailure:
    case cudaErrorLaunchTimeout:
    case cudaErrorHardwareStackError:
    case cudaErrorIllegalInstruction:
    case cudaErrorMisalignedAddress:
    case cudaErrorInvalidAddressSpace:
    case cudaErrorInvalidPc:
    case cudaErrorExternalDevice:
    case cudaErrorMpsConnectionFailed:
    case cudaErrorUnknown:
      return GRIT_DEVICE_LOST;
    default:
      return GRIT_FAILED;
  }
}

}  // namespace

std::int32_t fail(grit_why* why, std::int32_t code, std::int32_t vendor_code, std::string_view text) {
  if (why == nullptr) return code;
  why->vendor_code = vendor_code;
  const std::size_t length = std::min(text.size(), sizeof why->text - 1);
  std::memcpy(why->text, text.data(), length);
  why->text[length] = '\0';
  return code;
}

std::int32_t check_cuda(cudaError_t code, std::string_view call, grit_why* why) {
  const std::int32_t meaning = meaning_of(code);
  if (meaning == GRIT_OK || meaning == GRIT_PENDING) return meaning;
  char text[sizeof grit_why::text];
  std::snprintf(text, sizeof text, "%.*s: %s (CUDA error %d)", static_cast<int>(call.size()), call.data(),
                cudaGetErrorString(code), static_cast<int>(code));
  return fail(why, meaning, static_cast<std::int32_t>(code), text);
}

}  // namespace grit::accelerator
