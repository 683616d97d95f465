// What an agent is at, for whoever judges whether it hangs.
#pragma once

#include "harness/record/segment.hpp"

namespace grit {

/// Says what the agent is at while it lives; then again what it was at before.
class Doing {
 public:
  Doing(NodeControl& control, AgentDoing what) : control_(control), before_(control.agent_doing.exchange(what)) {}
  Doing(const Doing&) = delete;
  Doing& operator=(const Doing&) = delete;
  ~Doing() { control_.agent_doing.store(before_); }

 private:
  NodeControl& control_;
  AgentDoing before_;
};

}  // namespace grit
