// What both ends of the uplink do with frames.
#include "harness/agent/uplink_wire.hpp"

#include <charconv>

namespace grit {
namespace {

std::optional<int> node_index(std::string_view text) {
  int node = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), node);
  if (error != std::errc() || end != text.data() + text.size() || node < 0) return std::nullopt;
  return node;
}

}  // namespace

std::vector<zmq::message_t> receive_frames(zmq::socket_t& socket) {
  std::vector<zmq::message_t> frames;
  bool more = true;
  while (more) {
    zmq::message_t frame;
    // Only the first can be missing: ZeroMQ delivers all frames of a message or none.
    if (!socket.recv(frame, zmq::recv_flags::dontwait)) return {};
    more = frame.more();
    frames.push_back(std::move(frame));
  }
  return frames;
}

std::optional<Message> parse_message(std::span<const zmq::message_t> frames) {
  if (frames.size() != 3) return std::nullopt;
  const auto kind = message_kind(text_of(frames[0]));
  const auto node = node_index(text_of(frames[1]));
  const auto payload = text_of(frames[2]);
  if (!kind || !node || static_cast<std::int64_t>(payload.size()) > kLargestMessage_bytes) return std::nullopt;
  if (*kind == MessageKind::records && payload.size() % sizeof(StepRecord) != 0) return std::nullopt;
  if (*kind == MessageKind::spans && payload.size() % sizeof(CollectiveRecord) != 0) return std::nullopt;
  return Message{*kind, *node, std::string(payload)};
}

}  // namespace grit
