// An open file handed from one process of a node to others, over a local socket (SCM_RIGHTS, unix(7)).
//
// Opening /proc/PID/fd/N would do it for ordinary processes only: one that got capabilities from its program's file is
// not dumpable, and its descriptors are closed to all others (proc(5)). The socket also tells who took the file, as a
// process of the giver's pid namespace. Nothing here waits: all have asked before the giver hands out.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "harness/base/fd.hpp"
#include "harness/base/result.hpp"

namespace grit {

class DescriptorOffer {
 public:
  struct Taker {
    std::int32_t label = 0;  // what it called itself
    int pid = 0;             // in this process's pid namespace; 0: it cannot be seen from here
  };

  /// For at most so many takers. Error (internal): the kernel gives no socket.
  static Result<DescriptorOffer> open(int takers);
  /// What takers must know: an address that the kernel chose, in this network namespace.
  [[nodiscard]] const std::string& address() const { return address_; }
  /// Gives a copy of the descriptor to the first `takers` processes of this user that have asked. Error (internal):
  /// fewer have.
  [[nodiscard]] Result<std::vector<Taker>> hand_out(int descriptor, int takers) const;

 private:
  Fd socket_{};
  std::string address_{};
};

class DescriptorRequest {
 public:
  /// Error (unavailable): nobody offers anything at this address, or another user does.
  static Result<DescriptorRequest> ask(const std::string& address, std::int32_t label);
  /// After hand_out() has returned. Error (internal): nothing came.
  [[nodiscard]] Result<Fd> take() const;

 private:
  Fd socket_{};
};

}  // namespace grit
