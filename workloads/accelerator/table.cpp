// The one symbol that the module exports.
#include <cuda_runtime_api.h>

#include "workloads/accelerator/device.hpp"
#include "workloads/accelerator/gemm.hpp"
#include "workloads/accelerator/hog.hpp"
#include "workloads/accelerator/module.h"
#ifdef GRIT_MODULE_HAS_NCCL
#include <nccl.h>

#include "workloads/accelerator/communicator.hpp"
#endif

#define GRIT_TEXT_OF(number) #number
#define GRIT_TEXT(number) GRIT_TEXT_OF(number)

namespace {

using namespace grit::accelerator;

grit_module_table make_table() {
  grit_module_table table{};
  table.version = GRIT_MODULE_VERSION;
  table.size_bytes = sizeof table;
  table.built = "CUDART_VERSION " GRIT_TEXT(CUDART_VERSION)
#ifdef GRIT_MODULE_HAS_NCCL
      ", NCCL " GRIT_TEXT(NCCL_MAJOR) "." GRIT_TEXT(NCCL_MINOR) "." GRIT_TEXT(NCCL_PATCH)
#endif
      ;
  table.device_count = device_count;
  table.device_facts = device_facts;
  table.device_open = device_open;
  table.device_close = device_close;
  table.device_free_bytes = device_free_bytes;
  table.allocate = allocate;
  table.release = release;
  table.stream_create = stream_create;
  table.stream_destroy = stream_destroy;
  table.stream_wait = stream_wait;
  table.event_create = event_create;
  table.event_destroy = event_destroy;
  table.event_record = event_record;
  table.event_state = event_state;
  table.event_elapsed = event_elapsed;
  table.copy = copy;
  table.fill = fill;
  table.check = check;
  table.update = update;
  table.gemm_create = gemm_create;
  table.gemm_destroy = gemm_destroy;
  table.gemm_run = gemm_run;
  table.gemm_check = gemm_check;
#ifdef GRIT_MODULE_HAS_NCCL
  table.communicator_version = communicator_version;
  table.communicator_id = communicator_id;
  table.communicator_open = communicator_open;
  table.communicator_state = communicator_state;
  table.communicator_split = communicator_split;
  table.communicator_start = communicator_start;
  table.communicator_abort = communicator_abort;
  table.communicator_close = communicator_close;
#endif
  table.occupy = occupy;
  table.peer_open = peer_open;
  return table;
}

}  // namespace

extern "C" __attribute__((visibility("default"))) const grit_module_table* grit_module() {
  static const grit_module_table table = make_table();
  return &table;
}
