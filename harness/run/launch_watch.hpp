// A job that does not come together says so, and ends.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>

namespace grit {

/// Watches what waits for all ranks, from its construction to its end: MPI_Init has no time limit of its own, and one
/// process that never starts makes all others wait for it without a word. After 2 s, and then every 10 s, the first
/// task says what it waits for; at the limit every task says that it is there and ends with 69, so that who says
/// nothing is the one that is missing.
class LaunchWatch {
 public:
  /// `who`: this task, for the message ("rank 3 on n1"); `speaks`: it is the first.
  LaunchWatch(std::string who, int tasks, bool speaks, std::int64_t limit_ns);
  LaunchWatch(const LaunchWatch&) = delete;
  LaunchWatch& operator=(const LaunchWatch&) = delete;
  ~LaunchWatch();

 private:
  void watch();

  std::string who_;
  int tasks_;
  bool speaks_;
  std::int64_t began_ns_, limit_ns_;
  std::mutex mutex_{};
  std::condition_variable over_{};
  bool is_over_ = false;
  std::thread thread_{};
};

}  // namespace grit
