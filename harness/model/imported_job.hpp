// What a run is called that grit did not make.
#pragma once

namespace grit {

/// The scenario and the workload of a run directory that was read from a job that ran without grit (grit import-nccl).
inline constexpr const char* kImportedJob = "nccl_job";

}  // namespace grit
