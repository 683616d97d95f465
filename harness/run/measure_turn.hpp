// One measuring process of a burn-in on a node at a time: what a killed front end or launcher left behind would share
// the node with the cells that follow.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "harness/base/fd.hpp"
#include "harness/base/result.hpp"

namespace grit {

/// Held as long as the object lives, by a name in the network namespace (unix(7)), which the kernel lets go of with the
/// process, however that ends.
class MeasureTurn {
 public:
  /// Who has it is ended when it is of this program and user: by SIGTERM, upon which a run takes its faults off, and by
  /// SIGKILL when the same process still has it 5 s after that. `burnin`: which one, so that others are left alone.
  /// `is_wanted` is asked again and again while it is held. Error (unavailable): it is still held after `patience_ns`,
  /// by a process in the kernel or of somebody else; or it is not wanted any more.
  static Result<MeasureTurn> take(
      const std::string& burnin, const std::string& host, std::int64_t patience_ns,
      const std::function<bool()>& is_wanted = [] { return true; });

 private:
  explicit MeasureTurn(Fd socket) : socket_(std::move(socket)) {}
  Fd socket_;
};

}  // namespace grit
