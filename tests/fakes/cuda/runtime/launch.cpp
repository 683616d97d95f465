// Kernels: what nvcc's host code registers when a library is loaded, and launches. A kernel is known by its name, and
// done by its host version (kernels.cpp, or a test's own).
#include <cuda_runtime_api.h>
#include <cxxabi.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include "tests/fakes/cuda/runtime/kernels.hpp"
#include "tests/fakes/cuda/runtime/runtime.hpp"

using namespace grit::fake;

struct CUkern_st {
  std::string device_name;  // as nvcc mangled it
  std::string name;         // plain_name() of it
};

namespace {

struct Kernels {
  std::map<std::string, HostKernel> host{};
  std::map<const void*, CUkern_st> registered{};  // by the address of the host stub
};

/// Never destroyed: libraries that register kernels unload after this one. The runtime's mutex guards it.
Kernels& kernels() {
  static Kernels& one = *new Kernels{.host = host_kernels()};
  return one;
}

struct Configuration {
  dim3 grid, block;
  std::size_t shared_bytes;
  cudaStream_t stream;
};

std::vector<Configuration>& pushed() {
  static thread_local std::vector<Configuration> configurations;
  return configurations;
}

/// "void grit::(anonymous namespace)::fill<float>(float*, int)" is fill<float>.
std::string plain_name(const char* device_name) {
  int status = 0;
  char* demangled = abi::__cxa_demangle(device_name, nullptr, nullptr, &status);
  std::string text = status == 0 ? demangled : device_name;
  std::free(demangled);
  std::size_t start = 0, depth = 0, end = text.size();
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (depth == 0 && text.compare(i, 21, "(anonymous namespace)") == 0)
      i += 20;
    else if (text[i] == '<')
      ++depth;
    else if (text[i] == '>')
      --depth;
    else if (depth == 0 && (text[i] == ':' || text[i] == ' '))
      start = i + 1;
    else if (depth == 0 && text[i] == '(') {
      end = i;
      break;
    }
  }
  return text.substr(start, end - start);
}

/// `function`: a host stub's address, or a cudaKernel_t.
const CUkern_st* find_kernel(const void* function) {
  const auto& registered = kernels().registered;
  if (const auto found = registered.find(function); found != registered.end()) return &found->second;
  for (const auto& [stub, kernel] : registered)
    if (&kernel == function) return &kernel;
  return nullptr;
}

bool is_configuration(dim3 grid, dim3 block, std::size_t shared_bytes) {
  const std::size_t threads = std::size_t{block.x} * block.y * block.z;
  return grid.x > 0 && grid.y > 0 && grid.z > 0 && grid.x <= 0x7fffffff && grid.y <= 65535 && grid.z <= 65535 &&
         threads > 0 && threads <= 1024 && block.z <= 64 && shared_bytes <= 227 << 10;
}

cudaError_t launch(const char* api_function, const void* function, dim3 grid, dim3 block, void** arguments,
                   std::size_t shared_bytes, cudaStream_t handle) {
  return api(api_function, Needs::device, [&](const Call& call, Lock&) {
    const CUkern_st* kernel = find_kernel(function);
    if (kernel == nullptr) return cudaErrorInvalidDeviceFunction;
    if (!is_configuration(grid, block, shared_bytes)) return cudaErrorInvalidConfiguration;
    const auto stream = runtime().find_stream(handle);
    if (!stream) return cudaErrorInvalidResourceHandle;
    const auto host = kernels().host.find(kernel->name);
    if (host == kernels().host.end()) {
      std::fprintf(stderr, "FAKE CUDA: kernel '%s' (%s) has no host version\n", kernel->name.c_str(),
                   kernel->device_name.c_str());
      return cudaErrorNoKernelImageForDevice;
    }
    runtime().enqueue(stream, call, host->second(grid, block, arguments));
    return cudaSuccess;
  });
}

}  // namespace

extern "C" {

void grit_fake_add_kernel(const char* name, const HostKernel& kernel) {
  const Lock lock(runtime().mutex);
  kernels().host[name] = kernel;
}

void** __cudaRegisterFatBinary(void* binary) {
  return new void*(binary);  // NOLINT(cppcoreguidelines-owning-memory): __cudaUnregisterFatBinary frees it
}
void __cudaRegisterFatBinaryEnd(void**) {}
void __cudaUnregisterFatBinary(void** handle) { delete handle; }  // NOLINT(cppcoreguidelines-owning-memory)
char __cudaInitModule(void**) { return 1; }
void __cudaRegisterVar(void**, char*, char*, const char*, int, size_t, int, int) {}
void __cudaRegisterFunction(void**, const char* stub, char*, const char* device_name, int, uint3*, uint3*, dim3*, dim3*,
                            int*) {
  const Lock lock(runtime().mutex);
  kernels().registered[stub] = {device_name, plain_name(device_name)};
}

cudaError_t __cudaGetKernel(cudaKernel_t* handle, const void* stub) {
  const Lock lock(runtime().mutex);
  const CUkern_st* kernel = find_kernel(stub);
  *handle = const_cast<cudaKernel_t>(kernel);
  return kernel == nullptr ? cudaErrorInvalidDeviceFunction : cudaSuccess;
}
unsigned __cudaPushCallConfiguration(dim3 grid, dim3 block, size_t shared_bytes, CUstream_st* stream) {
  pushed().push_back({grid, block, shared_bytes, stream});
  return 0;
}
cudaError_t __cudaPopCallConfiguration(dim3* grid, dim3* block, size_t* shared_bytes, void* stream) {
  if (pushed().empty()) return cudaErrorInvalidConfiguration;
  const Configuration last = pushed().back();
  pushed().pop_back();
  *grid = last.grid, *block = last.block, *shared_bytes = last.shared_bytes;
  *static_cast<cudaStream_t*>(stream) = last.stream;
  return cudaSuccess;
}

/// What nvcc's <<<>>> calls. The script knows it by cudaLaunchKernel's name.
cudaError_t __cudaLaunchKernel(cudaKernel_t kernel, dim3 grid, dim3 block, void** arguments, size_t shared_bytes,
                               cudaStream_t stream) {
  return launch("cudaLaunchKernel", kernel, grid, block, arguments, shared_bytes, stream);
}
cudaError_t cudaLaunchKernel(const void* function, dim3 grid, dim3 block, void** arguments, size_t shared_bytes,
                             cudaStream_t stream) {
  return launch(__func__, function, grid, block, arguments, shared_bytes, stream);
}
cudaError_t cudaLaunchCooperativeKernel(const void* function, dim3 grid, dim3 block, void** arguments,
                                        size_t shared_bytes, cudaStream_t stream) {
  return launch(__func__, function, grid, block, arguments, shared_bytes, stream);
}
cudaError_t cudaLaunchKernelExC(const cudaLaunchConfig_t* configuration, const void* function, void** arguments) {
  return launch(__func__, function, configuration->gridDim, configuration->blockDim, arguments,
                configuration->dynamicSmemBytes, configuration->stream);
}

cudaError_t cudaFuncSetAttribute(const void* function, cudaFuncAttribute, int) {
  return api(__func__, Needs::device, [&](const Call&, Lock&) {
    return find_kernel(function) == nullptr ? cudaErrorInvalidDeviceFunction : cudaSuccess;
  });
}
cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, const void* function) {
  return api(__func__, Needs::device, [&](const Call&, Lock&) {
    if (find_kernel(function) == nullptr) return cudaErrorInvalidDeviceFunction;
    *attributes = {};
    attributes->maxThreadsPerBlock = 1024, attributes->numRegs = 32;
    attributes->binaryVersion = attributes->ptxVersion = 90;
    return cudaSuccess;
  });
}
/// As if threads alone counted.
cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, const void* function, int threads, size_t) {
  return api(__func__, Needs::device, [&](const Call&, Lock&) {
    if (find_kernel(function) == nullptr) return cudaErrorInvalidDeviceFunction;
    if (threads <= 0 || threads > 1024) return cudaErrorInvalidValue;
    return *blocks = std::min(32, 2048 / threads), cudaSuccess;
  });
}
cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int* blocks, const void* function, int threads,
                                                                   size_t shared_bytes, unsigned) {
  return cudaOccupancyMaxActiveBlocksPerMultiprocessor(blocks, function, threads, shared_bytes);
}

}  // extern "C"
