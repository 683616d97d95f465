#include "harness/agent/recorder.hpp"

#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

#include "harness/model/ending.hpp"
#include "harness/model/event.hpp"
#include "harness/os/open_files.hpp"
#include "harness/record/json_lines.hpp"

namespace grit {
namespace {

/// Of the recorder besides its connections, one a node: files, sockets, ZeroMQ's own.
constexpr std::size_t kOwnDescriptors = 256;
constexpr std::size_t kMessagesAPump = 1024;  // then what its own process has to do gets its turn

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

Result<Recorder> Recorder::open(const std::filesystem::path& run_directory, const std::vector<std::string>& endpoints,
                                const RunKeys& keys, int nodes) {
  GRIT_ASSERT(nodes > 0);
  GRIT_CHECK(allow_open_files(kOwnDescriptors + static_cast<std::size_t>(nodes)));
  GRIT_TRY(StepsWriter steps, StepsWriter::open(run_directory / "steps.npy"));
  GRIT_TRY(EventsWriter events, EventsWriter::open(run_directory / "events.jsonl"));
  GRIT_TRY(RecorderSocket socket, RecorderSocket::bind(endpoints, keys));
  Recorder recorder(std::move(socket), std::move(steps), std::move(events), nodes);
  // What a predecessor was told and may not have passed on.
  GRIT_TRY(const JsonLines told, JsonLines::open(run_directory / "events.jsonl"));
  told.for_each_but({"usage", "check_summary"}, [&](const Json& event) { recorder.note_cause(event, monotonic_ns()); });
  return recorder;
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
  note(find_corruption(now_ns));
  note(write_batch());
  // Only when nothing waits any more: after a pause of our own the heartbeats of the others are still in the queue.
  if (drained) note(find_lost_nodes(now_ns));
  note(speak(now_ns));
  if (!worst) return tl::make_unexpected(worst.error());
  return taken;
}

Status Recorder::take(const Message& message, std::int64_t now_ns) {
  if (message.node >= static_cast<int>(nodes_.size())) {
    ++malformed_;
    return {};
  }
  NodeState& node = nodes_[static_cast<std::size_t>(message.node)];
  const std::int64_t silent_ns = now_ns - std::exchange(node.last_heard_ns, now_ns);
  if (std::exchange(node.lost, false)) {
    Json event = make_event("node_back", 0, now_ns);
    event["back_node"] = message.node;
    event["silent_ns"] = silent_ns;
    GRIT_CHECK(write_event(event));
  }
  switch (message.kind) {
    case MessageKind::hello:
      node.said_goodbye = false;                           // a new agent on this node
      socket_.send(message.node, MessageKind::heartbeat);  // which injects nothing before it knows of us
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
      auto event = parse_json(message.payload);
      if (event && event->is_object()) return take_event(node, std::move(*event), now_ns);
      ++malformed_;
      return {};
    }
    case MessageKind::end:  // only ever goes the other way
      ++malformed_;
      return {};
  }
  return {};
}

Status Recorder::take_event(NodeState& node, Json event, std::int64_t now_ns) {
  note_end_of_block(node, event);
  if (end_cause_in(event)) event["heard_ns"] = now_ns;  // for when the nodes' clocks were not compared
  note_cause(event, now_ns);
  return write_event(event);
}

/// The first that comes in ends the run; which one came first is for the analysis, which knows the nodes' clocks.
void Recorder::note_cause(const Json& event, std::int64_t now_ns) {
  const auto cause = end_cause_in(event);
  if (!cause) return;
  const bool hang = cause->kind == EndCause::Kind::hang;
  const std::int64_t end_at_ns = hang ? now_ns + kOthersReport_ns : now_ns;
  if (cause_ && end_at_ns >= end_at_ns_) return;
  cause_ = event;
  end_at_ns_ = end_at_ns;
}

/// Wrong sums are in the records alone: the step goes on with them.
Status Recorder::find_corruption(std::int64_t now_ns) {
  if (corruption_told_) return {};
  const auto wrong =
      std::find_if(batch_.begin(), batch_.end(), [](const StepRecord& record) { return record.corrupted > 0; });
  if (wrong == batch_.end()) return {};
  corruption_told_ = true;
  Json event = make_event("corruption", static_cast<int>(wrong->node), wrong->end_ns);
  event["rank"] = wrong->rank;
  event["block"] = wrong->block;
  event["step"] = wrong->step;
  event["values"] = wrong->corrupted;
  note_cause(event, now_ns);
  return write_event(event);
}

Status Recorder::speak(std::int64_t now_ns) {
  const bool ending = cause_ && now_ns >= end_at_ns_;
  const bool first_order = ending && !end_ordered_;
  if (!first_order && now_ns - spoke_at_ns_ < (ending ? kOrderAgain_ns : kBeat_ns)) return {};
  spoke_at_ns_ = now_ns;
  const std::string cause = ending ? json_text(*cause_) : std::string();
  for (std::size_t i = 0; i < nodes_.size(); ++i)
    if (!nodes_[i].said_goodbye)
      socket_.send(static_cast<int>(i), ending ? MessageKind::end : MessageKind::heartbeat, cause);
  if (!first_order) return {};
  end_ordered_ = true;
  Json event = make_event("end_ordered", 0, now_ns);
  event["cause"] = *cause_;
  return write_event(event);
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
    if (heard && socket_.send(static_cast<int>(i), MessageKind::heartbeat)) continue;
    node.lost = true;
    Json event = make_event("node_lost", 0, now_ns);  // the recorder is node 0's agent
    event["lost_node"] = i;
    event["last_heard_ns"] = node.last_heard_ns;
    note_cause(event, now_ns);
    if (auto written = write_event(event); !written) worst = std::move(written);
  }
  return worst;
}

bool Recorder::all_said_goodbye() const {
  return std::all_of(nodes_.begin(), nodes_.end(), [](const NodeState& node) { return node.said_goodbye; });
}

int Recorder::left_by_all() const {
  int left = std::numeric_limits<int>::max();
  for (const NodeState& node : nodes_)
    if (!node.lost) left = std::min(left, node.left_block);
  return left;
}

bool Recorder::is_over() const {
  return std::all_of(nodes_.begin(), nodes_.end(),
                     [](const NodeState& node) { return node.said_goodbye || node.lost; });
}

bool Recorder::is_quiet() const {
  return std::all_of(nodes_.begin(), nodes_.end(),
                     [](const NodeState& node) { return node.said_goodbye || node.lost || node.last_heard_ns == 0; });
}

std::vector<int> Recorder::lost_nodes() const {
  std::vector<int> lost;
  for (std::size_t i = 0; i < nodes_.size(); ++i)
    if (nodes_[i].lost) lost.push_back(static_cast<int>(i));
  return lost;
}

}  // namespace grit
