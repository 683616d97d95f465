// The end of a rank that a library does not let go of.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>

namespace grit {

/// As long as one of these exists, the process must not be stuck: after `patience_ns` it says `what` on stderr and ends
/// the process with exit code 70, running nothing of it any more. To give back what may hang, such as communicators
/// whose peers are gone (pytorch#102599, nccl#829: abort itself hung).
class LastResort {
 public:
  LastResort(std::string what, std::int64_t patience_ns);
  LastResort(const LastResort&) = delete;
  LastResort& operator=(const LastResort&) = delete;
  /// It was not stuck.
  ~LastResort();

 private:
  std::mutex mutex_;
  std::condition_variable_any changed_;
  bool is_over_ = false;
  std::jthread thread_;
};

}  // namespace grit
