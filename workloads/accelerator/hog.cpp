#include "workloads/accelerator/hog.hpp"

#include <cstddef>

#include "workloads/accelerator/device.hpp"
#include "workloads/accelerator/why.hpp"

namespace grit::accelerator {
namespace {

std::int32_t attribute(int& value, cudaDeviceAttr which, const grit_device& device, grit_why* why) {
  return check_cuda(cudaDeviceGetAttribute(&value, which, device.index), "cudaDeviceGetAttribute", why);
}

/// All the shared memory that a block may have. With what the system keeps of each block's it is all that there is on a
/// multiprocessor (227 + 1 of 228 KiB on compute capability 9.0), so that no other block, which needs some as well, can
/// be there at the same time, of whatever stream. Of a device on which that is not so the kernel would hold nothing.
std::int32_t all_shared_bytes(int& bytes, const grit_device& device, grit_why* why) {
  int kept_bytes = 0, there_bytes = 0;
  GRIT_MODULE_CHECK(attribute(bytes, cudaDevAttrMaxSharedMemoryPerBlockOptin, device, why));
  GRIT_MODULE_CHECK(attribute(kept_bytes, cudaDevAttrReservedSharedMemoryPerBlock, device, why));
  GRIT_MODULE_CHECK(attribute(there_bytes, cudaDevAttrMaxSharedMemoryPerMultiprocessor, device, why));
  if (kept_bytes > 0 && there_bytes - bytes - kept_bytes < kept_bytes) return GRIT_OK;
  return fail(why, GRIT_UNAVAILABLE, 0, "a block cannot have a multiprocessor of this GPU for itself");
}

}  // namespace

std::int32_t occupy(grit_device* device, grit_stream* stream, std::int32_t blocks, std::int64_t length_ns,
                    grit_occupied* occupied, grit_why* why) {
  if (blocks < 1 || blocks > GRIT_MOST_MULTIPROCESSORS || length_ns < 1 || length_ns > GRIT_LONGEST_SLICE_NS)
    return fail(why, GRIT_INVALID, 0, "so many blocks, or blocks so long, are not for this kernel");
  GRIT_MODULE_CHECK(check_cuda(cudaSetDevice(device->index), "cudaSetDevice", why));
  int shared_bytes = 0;
  GRIT_MODULE_CHECK(all_shared_bytes(shared_bytes, *device, why));
  const auto all_bytes = static_cast<std::size_t>(shared_bytes);
  GRIT_MODULE_CHECK(check_cuda(allow_occupy(all_bytes), "cudaFuncSetAttribute", why));
  return check_cuda(launch_occupy(stream->stream, static_cast<std::uint32_t>(blocks),
                                  static_cast<std::uint64_t>(length_ns), all_bytes, occupied),
                    "holding multiprocessors", why);
}

std::int32_t peer_open(grit_device* device, std::int32_t other, grit_why* why) {
  GRIT_MODULE_CHECK(check_cuda(cudaSetDevice(device->index), "cudaSetDevice", why));
  int can = 0;
  GRIT_MODULE_CHECK(check_cuda(cudaDeviceCanAccessPeer(&can, device->index, other), "cudaDeviceCanAccessPeer", why));
  if (can == 0) return fail(why, GRIT_UNAVAILABLE, 0, "the driver knows no way from one GPU to the other");
  const cudaError_t code = cudaDeviceEnablePeerAccess(other, 0);
  if (code == cudaErrorPeerAccessAlreadyEnabled) return GRIT_OK;
  return check_cuda(code, "cudaDeviceEnablePeerAccess", why);
}

}  // namespace grit::accelerator
