// What the fake CUDA runtime has beyond NVIDIA's: how the other fakes give a stream work, and how kernels get their
// host versions. Only fakes and tests use it.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstring>
#include <functional>
#include <tuple>
#include <utility>

namespace grit::fake {

/// What a stream does. A code other than cudaSuccess is the device's failure, for good.
using Work = std::function<cudaError_t()>;

/// A kernel as the host does it: takes the arguments at the launch, and returns the work.
using HostKernel = std::function<Work(dim3 grid, dim3 block, void** arguments)>;

/// A host kernel from a function of the grid, the block and the kernel's own parameters.
template <class... Parameters>
HostKernel host_kernel(void (*body)(dim3, dim3, Parameters...)) {
  return [body](dim3 grid, dim3 block, void** arguments) -> Work {
    std::tuple<Parameters...> values;
    std::size_t next = 0;
    std::apply([&](auto&... value) { (std::memcpy(&value, arguments[next++], sizeof value), ...); }, values);
    return [=] {
      std::apply([&](const auto&... value) { body(grid, block, value...); }, values);
      return cudaSuccess;
    };
  };
}

}  // namespace grit::fake

extern "C" {
/// That this is a fake: whoever finds the symbol says so.
extern const char grit_fake_library[];
/// Gives the stream work; `delay_s` and `async_code` as in Call (script.hpp). Error: the device has failed; the stream
/// is none.
cudaError_t grit_fake_enqueue(cudaStream_t stream, double delay_s, int async_code, const grit::fake::Work& work);
/// Can the device reach all of these bytes: memory of its own, or pinned?
bool grit_fake_reaches(const void* address, std::size_t size_bytes);
/// The calling thread's device, and its PCI address ("0000:00:00.0").
int grit_fake_current_device();
void grit_fake_set_device(int device);
void grit_fake_pci_address(int device, char address[16]);
/// The kernel of this name without namespaces and parameters ("fill", "fill<float>") has this host version.
void grit_fake_add_kernel(const char* name, const grit::fake::HostKernel& kernel);
}
