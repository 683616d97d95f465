// Memory that a worker holds: one range of addresses, resident from its start to a level that goes up and down.
#pragma once

#include <cstdint>

#include "injectors/worker.hpp"

namespace grit {

class MemoryLevel {
 public:
  /// Room for max_bytes; holds none yet. In a worker: ends it when there is no such room.
  MemoryLevel(WorkerPage& page, std::int64_t max_bytes);
  MemoryLevel(const MemoryLevel&) = delete;
  MemoryLevel& operator=(const MemoryLevel&) = delete;
  ~MemoryLevel();

  [[nodiscard]] std::int64_t held_bytes() const { return held_bytes_; }
  /// Rounded down to whole pages; up to the room there is, down to nothing.
  void change(std::int64_t bytes);
  /// Gives so many of the held bytes back and takes them again, the next ones each time: the kernel must find, zero and
  /// map every page anew.
  void renew(std::int64_t bytes);

 private:
  void touch(std::int64_t from, std::int64_t bytes);
  void release(std::int64_t from, std::int64_t bytes);

  char* start_ = nullptr;
  std::int64_t page_bytes_;
  std::int64_t max_bytes_;
  std::int64_t held_bytes_ = 0;
  std::int64_t next_ = 0;  // where renew() goes on
};

}  // namespace grit
