// A process that reads checks, one after the other, for the runner.
#pragma once

#include <string>

#include "harness/base/fd.hpp"
#include "harness/health/runner.hpp"

namespace grit {

/// What goes over the lines between the asking process, the runner and its readers: JSON objects, one a message.
/// A request: {"place", "tag", "anew"}. An answer: a CheckReading.
struct CheckRequest {
  std::size_t place = 0;
  std::int64_t tag = 0;
  bool anew = false;
};
Json to_json(const CheckRequest& request);
std::optional<CheckRequest> request_from_json(std::string_view text);
Json to_json(const CheckReading& reading);
std::optional<CheckReading> reading_from_json(std::string_view text);

/// A pair of connected sockets that keep messages apart, non-blocking: ours, theirs.
Result<std::pair<Fd, Fd>> make_line();
/// False: it is full, or nobody is at the other end.
bool send_text(int line, const std::string& text);
/// Empty when nothing waits; `ended` is set when nobody is at the other end any more.
std::optional<std::string> receive_text(int line, bool& ended);

/// What every process here does first: nothing that a terminal or a launcher sends ends it, and it keeps `line` and
/// nothing else open; what a library prints goes nowhere, and nobody waits for a stream that a process which cannot be
/// killed holds open.
void enter_child(const char* name, int line);
/// Of a reader: it ends with the runner, and is the first that the kernel ends when memory runs out.
void become_reader(pid_t runner);

/// Reads what comes over the line, until nobody is at its other end.
void read_checks(const CheckJob& job, Fd line);

}  // namespace grit
