// A module for GPUs of an older build: its table ends before what was added for faults.
#include <cstddef>

#include "workloads/accelerator/module.h"

extern "C" __attribute__((visibility("default"))) const grit_module_table* grit_module() {
  static const grit_module_table table = [] {
    grit_module_table made{};
    made.version = GRIT_MODULE_VERSION;
    made.size_bytes = offsetof(grit_module_table, occupy);
    made.built = "long ago";
    return made;
  }();
  return &table;
}
