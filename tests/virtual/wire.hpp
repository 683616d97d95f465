// What agents and recorder say to each other, in memory and in order. In the program that this is linked into the
// recorder's socket (harness/agent/uplink.hpp) is this wire.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "harness/agent/uplink.hpp"

namespace grit::testing {

/// One at a time: the one that RecorderSocket::bind() finds.
class Wire {
 public:
  Wire();
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;
  ~Wire();

  /// Agents say; nothing comes through from a node that was cut off.
  void to_recorder(int node, MessageKind kind, std::string payload = {});
  /// What the recorder said to this node, oldest first.
  std::optional<Message> to_agent(int node);
  /// Nothing passes from now on, either way.
  void cut(int node) { cut_.insert(node); }

  // --- the recorder's end
  std::optional<Message> receive();
  bool send(int node, MessageKind kind, std::string_view payload);

 private:
  std::deque<Message> to_recorder_{};
  std::map<int, std::deque<Message>> to_agents_{};
  std::set<int> cut_{};
};

}  // namespace grit::testing
