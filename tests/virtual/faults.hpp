// Faults that change nothing but a list. In the program that this is linked into the registry of injectors
// (injectors/injector.hpp) gives, for each fault, the real one as far as planning goes, whose faults act on a virtual
// machine.
#pragma once

#include <list>
#include <string>
#include <vector>

#include "injectors/injector.hpp"

namespace grit::testing {

/// A fault of a node that was prepared: on or off.
struct VirtualFault {
  std::string name{};
  int node = 0;
  std::string device{};
  Params params{};
  Json resolved{};
  bool on = false;
  bool idle = false;      // it does nothing when it is on, and its counter says so
  std::int64_t acts = 0;  // its counter: how often it was felt
};

/// All faults of the virtual machines. One at a time: the one that prepare() adds to.
class FaultBoard {
 public:
  FaultBoard();
  FaultBoard(const FaultBoard&) = delete;
  FaultBoard& operator=(const FaultBoard&) = delete;
  ~FaultBoard();

  /// Tells which node's agent prepares: that of the ranks whose control this is.
  void add_node(const NodeControl& control) { controls_.push_back(&control); }
  /// From now on faults of this name are prepared idle.
  void make_idle(std::string name) { idle_ = std::move(name); }
  [[nodiscard]] std::list<VirtualFault>& faults() { return faults_; }

  VirtualFault& prepare(const std::string& name, const Target& target);
  void forget(const VirtualFault& fault);

 private:
  std::vector<const NodeControl*> controls_{};  // by node
  std::list<VirtualFault> faults_{};
  std::string idle_{};
};

}  // namespace grit::testing
