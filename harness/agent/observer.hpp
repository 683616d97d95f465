// The observer's own side: what a node looks like, and all that is said to and heard from the recorder. It may take its
// time; the agent, which times faults, waits for nothing of it.
#pragma once

#include <string_view>

#include "harness/agent/agent_process.hpp"
#include "harness/base/fd.hpp"
#include "harness/record/segment.hpp"

namespace grit {

/// Messages on the line are JSON objects, to the observer: events; from it: {"end": why}, {"observed": block} and
/// {"recorder": true}, which says that NodeControl::recorder_heard_ns is set for the first time. kObserverGoodbye
/// is the agent's last word.
constexpr std::string_view kObserverGoodbye = "goodbye";

/// The life of an observer: takes the agent's events and sends them on, drains the ranks' step records (it is their
/// only reader), makes checks, reads usage and the kernel's log, tells when a rank has ended, watches for hangs, keeps
/// the heart beating, passes orders on. Returns when the agent has said goodbye, and that was said to the recorder, or
/// when the agent is gone: then what waits is still sent, but no record is taken any more, which the successor does.
/// Error: it cannot connect.
Status observe(const AgentConfig& config, const Segment& segment, Fd line);

}  // namespace grit
