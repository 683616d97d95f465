// One run a node at a time: two would disturb each other's step times and could fight over the same link.
#pragma once

#include "harness/base/fd.hpp"
#include "harness/base/result.hpp"

namespace grit {

/// Held as long as the object lives. It is a listening socket in the abstract namespace (unix(7)), which belongs to the
/// network namespace and vanishes with the process: nothing can be left behind.
/// Error (unavailable): another run holds it; names its process.
class NodeLock {
 public:
  static Result<NodeLock> acquire();

 private:
  explicit NodeLock(Fd fd) : fd_(std::move(fd)) {}
  Fd fd_;
};

}  // namespace grit
