#include "harness/agent/recorder.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "harness/model/event.hpp"

namespace grit {
namespace {

constexpr std::size_t kMessagesAPump = 1024;  // then the agent's loop gets its turn: a fault may be due

/// The first failure of a file is told, the others are counted by the caller.
Status told_once(Status status, bool& said) {
  if (status || std::exchange(said, true)) return {};
  return status;
}

}  // namespace

Recorder::Recorder(RecorderSocket socket, StepsWriter steps, EventsWriter events, int nodes)
    : socket_(std::move(socket)),
      steps_(std::move(steps)),
      events_(std::move(events)),
      nodes_(static_cast<std::size_t>(nodes)) {}

Result<Recorder> Recorder::open(const std::filesystem::path& run_directory, const std::string& address,
                                const std::string& endpoint, const RunKeys& keys, int nodes) {
  GRIT_ASSERT(nodes > 0);
  int port = 0;
  if (!endpoint.empty()) {
    GRIT_TRY(port, port_of(endpoint));
  }
  GRIT_TRY(StepsWriter steps, StepsWriter::open(run_directory / "steps.npy"));
  GRIT_TRY(EventsWriter events, EventsWriter::open(run_directory / "events.jsonl"));
  GRIT_TRY(RecorderSocket socket, RecorderSocket::bind(address, port, keys));
  return Recorder(std::move(socket), std::move(steps), std::move(events), nodes);
}

Result<std::size_t> Recorder::pump(std::int64_t now_ns) {
  std::size_t taken = 0;
  Status worst;
  const auto note = [&](Status status) {
    if (!status && worst) worst = std::move(status);
  };
  bool drained = false;
  while (taken < kMessagesAPump && !drained) {
    if (const auto message = socket_.receive()) {
      note(take(*message, now_ns));
      ++taken;
    } else {
      drained = true;
    }
  }
  note(write_batch());
  // Only when nothing waits any more: after a pause of our own the heartbeats of the others are still in the queue.
  if (drained) note(find_lost_nodes(now_ns));
  if (!worst) return tl::make_unexpected(worst.error());
  return taken;
}

Status Recorder::take(const Message& message, std::int64_t now_ns) {
  if (message.node >= static_cast<int>(nodes_.size())) {
    ++malformed_;
    return {};
  }
  NodeState& node = nodes_[static_cast<std::size_t>(message.node)];
  node.last_heard_ns = now_ns;
  switch (message.kind) {
    case MessageKind::hello:
      node.said_goodbye = false;  // a new agent on this node
      return {};
    case MessageKind::heartbeat:
      return {};
    case MessageKind::goodbye:
      node.said_goodbye = true;
      return {};
    case MessageKind::records: {
      const std::size_t before = batch_.size();
      batch_.resize(before + message.payload.size() / sizeof(StepRecord));
      std::memcpy(batch_.data() + before, message.payload.data(), message.payload.size());
      return {};
    }
    case MessageKind::event: {
      const auto event = parse_json(message.payload);
      if (event && event->is_object()) {
        note_end_of_block(node, *event);
        return write_event(*event);
      }
      ++malformed_;
      return {};
    }
  }
  return {};
}

Status Recorder::write_event(const Json& event) {
  auto written = events_.append(event);
  if (!written) ++unwritten_events_;
  return told_once(std::move(written), said_events_);
}

void Recorder::note_end_of_block(NodeState& node, const Json& event) {
  const auto is = [&](const char* key, std::string_view value) {
    const auto found = event.find(key);
    return found != event.end() && found->is_string() && found->get_ref<const std::string&>() == value;
  };
  const auto block = event.find("block");
  if (is("type", "block") && is("edge", "end") && block != event.end() && block->is_number_integer())
    node.left_block = block->get<int>();
}

Status Recorder::write_batch() {
  if (batch_.empty()) return {};
  auto written = steps_.append(batch_);
  if (!written) unwritten_records_ += batch_.size();
  batch_.clear();
  return told_once(std::move(written), said_steps_);
}

Status Recorder::find_lost_nodes(std::int64_t now_ns) {
  Status worst;
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    NodeState& node = nodes_[i];
    if (node.said_goodbye || node.lost) continue;
    const bool heard = node.last_heard_ns != 0;
    if (now_ns - (heard ? node.last_heard_ns : opened_ns_) <= (heard ? kSilence_ns : kFirstContact_ns)) continue;
    node.lost = true;
    Json event = make_event("node_lost", 0, now_ns);  // the recorder is node 0's agent
    event["lost_node"] = i;
    event["last_heard_ns"] = node.last_heard_ns;
    if (auto written = write_event(event); !written) worst = std::move(written);
  }
  return worst;
}

bool Recorder::all_said_goodbye() const {
  return std::all_of(nodes_.begin(), nodes_.end(), [](const NodeState& node) { return node.said_goodbye; });
}

bool Recorder::all_left(int block) const {
  return std::all_of(nodes_.begin(), nodes_.end(),
                     [&](const NodeState& node) { return node.lost || node.left_block >= block; });
}

std::vector<int> Recorder::lost_nodes() const {
  std::vector<int> lost;
  for (std::size_t i = 0; i < nodes_.size(); ++i)
    if (nodes_[i].lost) lost.push_back(static_cast<int>(i));
  return lost;
}

}  // namespace grit
