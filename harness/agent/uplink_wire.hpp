// What both ends of the uplink share and nobody else needs.
#pragma once

#include <optional>
#include <span>
#include <string_view>
#include <vector>
#include <zmq.hpp>

#include "harness/agent/uplink.hpp"

namespace grit {

/// The kind of that name; nothing when there is none.
std::optional<MessageKind> message_kind(std::string_view name);

/// Are the keys there that an agent, or the recorder, needs? Error (usage): names the one that is not.
Status check_client_keys(const RunKeys& keys);
Status check_server_keys(const RunKeys& keys);

/// All frames of the next message; empty when there is none now.
std::vector<zmq::message_t> receive_frames(zmq::socket_t& socket);
/// Kind, node, payload. Nothing: it is malformed.
std::optional<Message> parse_message(std::span<const zmq::message_t> frames);

inline std::string_view text_of(const zmq::message_t& frame) { return {frame.data<char>(), frame.size()}; }

}  // namespace grit
