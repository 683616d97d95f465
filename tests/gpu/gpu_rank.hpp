// A rank of a job on GPUs: as a session makes it, without a node's agent.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <vector>

#include "harness/base/clock.hpp"
#include "tests/catch.hpp"
#include "tests/span_ring.hpp"
#include "workloads/compute/cuda_device.hpp"
#include "workloads/fabric/mpi.hpp"
#include "workloads/fabric/nccl.hpp"

namespace grit::test {

/// All ranks of MPI_COMM_WORLD, on one host, each on a GPU of its own; or, with GRIT_TEST_SHARED_GPUS in the environment,
/// on the GPUs in turn, which NCCL takes only of ranks that say they are on different hosts.
struct GpuRank : SpanRing {
  GpuRank() {
    auto mpi_made = make_mpi_communicator(MPI_COMM_WORLD);
    REQUIRE(mpi_made);
    mpi = std::move(*mpi_made);
    auto module = AcceleratorModule::load();
    INFO((module ? "" : module.error().message));
    REQUIRE(module);
    const auto devices = (*module)->devices();
    REQUIRE(devices);
    const bool is_shared = std::getenv("GRIT_TEST_SHARED_GPUS") != nullptr;
    auto accelerator =
        Accelerator::open(*module, is_shared ? mpi->rank() % static_cast<int>(devices->size()) : mpi->rank());
    INFO((accelerator ? "" : accelerator.error().message));
    REQUIRE(accelerator);
    auto opened = CudaDevice::make(std::move(*accelerator));
    REQUIRE(opened);
    device = std::move(*opened);
    auto made = make_nccl_communicator(*mpi, *device,
                                       {.spans = &spans, .patience_ns = 60 * kNsPerS, .pause_ns = 20 * kNsPerUs});
    INFO((made ? "" : made.error().message));
    REQUIRE(made);
    world = std::move(*made);
  }

  std::unique_ptr<Communicator> mpi{};
  std::unique_ptr<CudaDevice> device{};
  std::unique_ptr<Communicator> world{};
};

}  // namespace grit::test
