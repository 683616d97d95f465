// The table's functions for communicators, by NCCL: module.h says what each does.
#pragma once

#include <cstdint>

#include "workloads/accelerator/module.h"

namespace grit::accelerator {

std::int32_t communicator_version(std::int32_t* version, grit_why* why);
std::int32_t communicator_id(unsigned char id[128], grit_why* why);
std::int32_t communicator_open(grit_device* device, const grit_communicator_options* options,
                               grit_communicator** communicator, grit_why* why);
std::int32_t communicator_state(grit_communicator* communicator, grit_why* why);
std::int32_t communicator_split(grit_communicator* communicator, std::int32_t color, std::int32_t key, const char* name,
                                grit_communicator** part, grit_why* why);
std::int32_t communicator_start(grit_communicator* communicator, grit_stream* stream, const grit_call* calls,
                                std::int32_t count, grit_why* why);
std::int32_t communicator_abort(grit_communicator* communicator, grit_why* why);
std::int32_t communicator_close(grit_communicator* communicator, grit_why* why);

}  // namespace grit::accelerator
