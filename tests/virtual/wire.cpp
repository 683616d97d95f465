#include "tests/virtual/wire.hpp"

#include <utility>

namespace grit {
namespace {

testing::Wire* the_wire = nullptr;

}  // namespace

namespace testing {

Wire::Wire() {
  GRIT_ASSERT(the_wire == nullptr);
  the_wire = this;
}

Wire::~Wire() { the_wire = nullptr; }

void Wire::to_recorder(int node, MessageKind kind, std::string payload) {
  if (!cut_.contains(node)) to_recorder_.push_back({kind, node, std::move(payload)});
}

std::optional<Message> Wire::to_agent(int node) {
  auto& waiting = to_agents_[node];
  if (waiting.empty()) return std::nullopt;
  Message message = std::move(waiting.front());
  waiting.pop_front();
  return message;
}

std::optional<Message> Wire::receive() {
  if (to_recorder_.empty()) return std::nullopt;
  Message message = std::move(to_recorder_.front());
  to_recorder_.pop_front();
  return message;
}

bool Wire::send(int node, MessageKind kind, std::string_view payload) {
  if (cut_.contains(node)) return false;
  to_agents_[node].push_back({kind, node, std::string(payload)});
  return true;
}

}  // namespace testing

struct RecorderSocket::State {
  testing::Wire& wire;
  std::vector<std::string> endpoints;
};

RecorderSocket::RecorderSocket(std::unique_ptr<State> state) : state_(std::move(state)) {}
RecorderSocket::RecorderSocket(RecorderSocket&& other) noexcept = default;
RecorderSocket& RecorderSocket::operator=(RecorderSocket&& other) noexcept = default;
RecorderSocket::~RecorderSocket() = default;

Result<RecorderSocket> RecorderSocket::bind(const std::vector<std::string>& endpoints, const RunKeys&) {
  GRIT_ASSERT(the_wire != nullptr);
  return RecorderSocket(std::unique_ptr<State>(new State{*the_wire, endpoints}));
}

const std::vector<std::string>& RecorderSocket::endpoints() const { return state_->endpoints; }
std::array<void*, 2> RecorderSocket::sockets() const { return {}; }
std::optional<Message> RecorderSocket::receive() { return state_->wire.receive(); }
bool RecorderSocket::send(int node, MessageKind kind, std::string_view payload) {
  return state_->wire.send(node, kind, payload);
}
std::uint64_t RecorderSocket::malformed() const { return 0; }
std::uint64_t RecorderSocket::refused() const { return 0; }

}  // namespace grit
