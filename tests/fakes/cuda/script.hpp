// What the fakes of CUDA, cuBLAS and NCCL do besides their work, as a text file says whose path is in the environment
// variable GRIT_FAKE_CUDA; it is read again when another has been renamed into its place. Lines:
//   devices 2                        how many GPUs there are (1)
//   driver 12040                     what cudaDriverGetVersion says (13000); older than the runtime, and nothing works
//   peers 0                          no GPU reaches another's memory (1: each does)
//   gpu0.memory_bytes 1e9            of its memory (2^30)
//   gpu0.l2_bytes 65536              of its cache (50 MiB)
//   gpu0.flops_per_s 1e12            a GEMM takes at least so long; without the line, as long as the host needs
//   gpu0.copy_bytes_per_s 1e10       the same of a copy
//   gpu0.pci 0000:07:00.0            its address
//   gpu0.timer_offset_s 1000         how far its timer (%globaltimer) is ahead of the host's monotonic clock
//   gpu0.return 719                  whatever is asked of this GPU fails: it is lost
//   return FUNCTION CODE             the call fails at once, and does nothing
//   hang FUNCTION SECONDS            the call takes so long
//   abort FUNCTION                   the call ends the process
//   delay FUNCTION SECONDS           what the call gives a stream to do begins so much later
//   async FUNCTION CODE              what the call gives a stream to do fails: in CUDA the GPU with it, for good; in
//                                    NCCL the communicator (ncclCommGetAsyncError), and the stream stays until abort
//   progress FUNCTION SECONDS        NCCL only: a call that does not block is in progress for so long (0.001)
// A collective that hangs is one whose work begins in 1e6 s (delay): on all ranks its streams stay until abort.
// FUNCTION#3 means the third call of it by this process, FUNCTION#3+ that and all later ones. Numbers are decimal.
// A line may begin with `on VARIABLE=VALUE`: it holds in processes whose environment has that.
#pragma once

#include <chrono>
#include <string>

namespace grit::fake {

/// What the file says of one call of a function.
struct Call {
  int code = 0;
  double delay_s = 0;
  int async_code = 0;
  double progress_s = 0.001;
};

/// Counts a call and says what is to become of it; hangs and aborts happen in here.
Call enter(const char* function);

/// The number that the file gives for a key; `otherwise` if it has none.
double number_of(const std::string& key, double otherwise);
/// The same of a text.
std::string text_of(const std::string& key, const std::string& otherwise);
/// The same of a GPU's key: "gpu<device>.<key>".
double number_of(int device, const char* key, double otherwise);

/// Returns `least_s` after `start` at the earliest.
void keep_to(std::chrono::steady_clock::time_point start, double least_s);

}  // namespace grit::fake
