// Which undo record may change the settings of an NVIDIA GPU, and whether it may have done so: for all grits of a
// machine and for whoever comes after one that was killed. Two files a GPU, in memory (/run), which a reboot empties as
// it does the settings:
//   GPU-x.claim  flock(2)ed by the process that sets for a record, as long as it lives; its text is the intent
//   GPU-x.call   flock(2)ed by a process during each call of the driver that sets something. One that was killed within
//                such a call and waits in the driver keeps the lock until it is dead; only then can that call set
//                nothing any more.
#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include "harness/base/fd.hpp"
#include "harness/base/result.hpp"

namespace grit {

/// /run/grit/gpus, of root's own and the same for all nodes of a local cluster; of another user, whom the driver lets
/// set nothing, a directory in /tmp; or what the environment variable GRIT_GPU_CLAIMS names (secure_getenv(3)).
std::filesystem::path gpu_claims_directory();

class GpuClaim {
 public:
  /// Of one GPU for one undo record, a text that no other has; `driver`: loaded_nvidia_driver(). Makes the files where
  /// there are none. Error (unavailable): they cannot be made; (usage): somebody else could have put them there, or
  /// `uuid` is none.
  static Result<GpuClaim> open(const std::string& uuid, const std::string& record, const std::string& driver);

  /// What a person deletes who has set a GPU right by hand.
  static std::filesystem::path file_of(const std::string& uuid) { return gpu_claims_directory() / (uuid + ".claim"); }

  /// Until this process ends, no other agent's record may set anything. Where another process of this agent has it,
  /// nothing is done: to be taken again before something is set, when that process may have ended. Error (unavailable):
  /// a process of another agent has it, or one that was killed has left something set with the driver that is loaded
  /// now; says who.
  [[nodiscard]] Status take();
  /// To be written right before something is set, and when it was put back.
  [[nodiscard]] Status write_down(bool may_be_set) const;
  /// Could anything that this record has set be there? False: it is written down that nothing was set, or was put back,
  /// or another record has the GPU by now. True, too, where nothing is written down.
  [[nodiscard]] Result<bool> may_be_set() const;
  /// Makes a call that sets something. Error (unavailable): a process that was given up is still within one.
  [[nodiscard]] Status call(const std::function<Status()>& set) const;

 private:
  GpuClaim(std::string uuid, std::string record, std::string driver)
      : uuid_(std::move(uuid)), record_(std::move(record)), driver_(std::move(driver)) {}

  std::string uuid_, record_, driver_;
  Fd claim_{}, call_{};
  bool is_taken_ = false;
};

}  // namespace grit
