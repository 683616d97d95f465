#include "harness/agent/recorder.hpp"

#include <fcntl.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

#include "harness/base/json_fields.hpp"
#include "harness/model/ending.hpp"
#include "harness/model/event.hpp"
#include "harness/os/open_files.hpp"
#include "harness/record/json_lines.hpp"

namespace grit {
namespace {

/// Of the recorder besides its connections, one a node: files, sockets, ZeroMQ's own.
constexpr std::size_t kOwnDescriptors = 256;
constexpr std::size_t kMessagesAPump = 1024;                        // then what its own process has to do gets its turn
constexpr std::size_t kSpansAPump = 64 * Uplink::kSpansPerMessage;  // 1.8 MB, which a disk takes in no time

/// Put aside on the disk: the end of a run of 1,000 nodes is told in some 10,000 events of 100 bytes; then it is the
/// verdict's.
constexpr off_t kReserve_bytes = 1 << 20;

/// A file without a name, so that however this process ends its space is free again. Empty: there is no such space.
Fd reserve_space(const std::filesystem::path& directory) {
  const std::filesystem::path file = directory / ".reserve";
  ::unlink(file.c_str());  // of one that was killed right here
  Fd reserve(::open(file.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!reserve) return {};
  ::unlink(file.c_str());
  if (::posix_fallocate(reserve.get(), 0, kReserve_bytes) != 0) return {};
  return reserve;
}

/// Of a message, whose payload is whole ones.
template <class Record>
void append_records(std::vector<Record>& records, std::string_view payload) {
  const std::size_t before = records.size();
  records.resize(before + payload.size() / sizeof(Record));
  std::memcpy(records.data() + before, payload.data(), payload.size());
}

}  // namespace

Recorder::Recorder(RecorderSocket socket, StepsWriter steps, CollectivesWriter collectives, EventsWriter events,
                   int nodes)
    : socket_(std::move(socket)),
      steps_(std::move(steps)),
      collectives_(std::move(collectives)),
      events_(std::move(events)),
      nodes_(static_cast<std::size_t>(nodes)) {}

Result<Recorder> Recorder::open(const std::filesystem::path& run_directory, const std::vector<std::string>& endpoints,
                                const RunKeys& keys, int nodes) {
  GRIT_ASSERT(nodes > 0);
  GRIT_CHECK(allow_open_files(kOwnDescriptors + static_cast<std::size_t>(nodes)));
  GRIT_TRY(StepsWriter steps, StepsWriter::open(run_directory / "steps.npy"));
  GRIT_TRY(CollectivesWriter collectives, CollectivesWriter::open(run_directory / "collectives.npy"));
  GRIT_TRY(EventsWriter events, EventsWriter::open(run_directory / "events.jsonl"));
  GRIT_TRY(RecorderSocket socket, RecorderSocket::bind(endpoints, keys));
  Recorder recorder(std::move(socket), std::move(steps), std::move(collectives), std::move(events), nodes);
  recorder.reserve_ = reserve_space(run_directory);
  // What a predecessor was told and may not have passed on.
  GRIT_TRY(const JsonLines told, JsonLines::open(run_directory / "events.jsonl", formats::kEvents));
  const std::int64_t now_ns = monotonic_ns();
  told.for_each_of(
      {"rank_died", "node_lost", "hang", "corruption", "recorder_lost", "stood_still", "not_recorded", "agent_stopped",
       "run", "fault", "end_ordered", "block", "goodbye", "agent_restarted", "observer_restarted"},
      [&](const Json& event) { recorder.remember(event, now_ns); });
  return recorder;
}

/// From the file, what matters still; a node that has begun anew after its goodbye says it again.
void Recorder::remember(const Json& event, std::int64_t now_ns) {
  note_cause(event, now_ns);
  if (has_text(event, "type", "corruption")) corruption_told_ = true;
  if (has_text(event, "type", "not_recorded")) unwritable_ = true;
  if (has_text(event, "type", "end_ordered")) {
    end_ordered_ns_ = now_ns;
    if (const auto why = event.find("cause"); !cause_ && why != event.end()) cause_ = *why, end_at_ns_ = now_ns;
  }
  const std::int64_t index = integer_at(event, "node");
  if (index < 0 || index >= static_cast<std::int64_t>(nodes_.size())) return;
  NodeState& node = nodes_[static_cast<std::size_t>(index)];
  note_end_of_block(node, event);
  if (has_text(event, "type", "goodbye")) node.said_goodbye = true;
  if (has_text(event, "type", "agent_restarted") || has_text(event, "type", "observer_restarted"))
    node.said_goodbye = false;
}

Result<std::size_t> Recorder::pump(std::int64_t now_ns) {
  pause_.turn(now_ns);
  const std::int64_t began_ns = monotonic_ns();
  std::size_t taken = 0;
  Status worst;
  const auto note = [&](Status status) {
    if (!status && worst) worst = std::move(status);
  };
  bool drained = false;
  while (taken < kMessagesAPump && spans_.size() < kSpansAPump && !drained) {
    if (const auto message = socket_.receive()) {
      note(take(*message, now_ns));
      ++taken;
    } else {
      drained = true;
    }
  }
  note(find_corruption(now_ns));
  note(write_batches());
  // Only when nothing waits any more: after a pause of our own the heartbeats of the others are still in the queue.
  if (drained) note(find_lost_nodes(now_ns));
  note(speak(now_ns));
  note(give_up_nodes(now_ns));
  pause_.turn(now_ns + (monotonic_ns() - began_ns));  // a disk that is slow to write to is no pause
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
      return write_event(make_event("goodbye", message.node, now_ns));
    case MessageKind::records:
      append_records(batch_, message.payload);
      return {};
    case MessageKind::spans:
      append_records(spans_, message.payload);
      socket_.send(message.node, MessageKind::taken);
      return {};
    case MessageKind::event: {
      auto event = parse_json(message.payload);
      if (event && event->is_object()) return take_event(node, std::move(*event), now_ns);
      ++malformed_;
      return {};
    }
    case MessageKind::end:  // these only ever go the other way
    case MessageKind::taken:
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
  const auto wrong = std::find_if(batch_.begin(), batch_.end(), [this](const StepRecord& record) {
    const bool expected = record.block < wrong_sums_expected_.size() && wrong_sums_expected_[record.block];
    return record.corrupted > 0 && !expected;
  });
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
  const bool first_order = ending && !end_ordered_ns_;
  if (!first_order && now_ns - spoke_at_ns_ < (ending ? kOrderAgain_ns : kBeat_ns)) return {};
  spoke_at_ns_ = now_ns;
  if (first_order && before_order_) before_order_(*cause_);
  const std::string cause = ending ? json_text(*cause_) : std::string();
  for (std::size_t i = 0; i < nodes_.size(); ++i)
    if (!nodes_[i].said_goodbye)
      socket_.send(static_cast<int>(i), ending ? MessageKind::end : MessageKind::heartbeat, cause);
  if (!first_order) return {};
  end_ordered_ns_ = now_ns;
  Json event = make_event("end_ordered", 0, now_ns);
  event["cause"] = *cause_;
  return write_event(event);
}

Status Recorder::write_event(const Json& event) {
  const auto written = events_.append(event);
  if (written) return {};
  Status told = cannot_write(written.error());
  if (!events_.append(event)) ++unwritten_events_;  // now there may be room
  return told;
}

/// The first failure makes room for what must still be told, ends the run and is the caller's to say.
Status Recorder::cannot_write(const Error& why) {
  if (std::exchange(unwritable_, true)) return {};
  reserve_.reset();
  Json event = make_event("not_recorded", 0);
  event["message"] = why.message;
  note_cause(event, monotonic_ns());
  if (!events_.append(event)) ++unwritten_events_;
  return Failure(why);
}

void Recorder::finish() {
  const std::uint64_t events = unwritten_events_ + malformed_ + socket_.malformed();
  if (unwritten_records_ + unwritten_spans_ + events == 0) return;
  Json event = make_event("unrecorded", 0);
  event["records"] = unwritten_records_;
  event["events"] = events;
  event["spans"] = unwritten_spans_;
  // When this does not fit either, what ended the run says so.
  [[maybe_unused]] const Status written = events_.append(event);
}

void Recorder::note_end_of_block(NodeState& node, const Json& event) {
  if (has_text(event, "type", "block") && has_text(event, "edge", "end"))
    node.left_block = static_cast<int>(integer_at(event, "block", node.left_block));
}

/// Once writing has failed what is free is the events'.
Status Recorder::write_batches() {
  Status told;
  const auto write = [&](auto& writer, auto& records, std::uint64_t& unwritten) {
    const Status written = unwritable_ ? Status() : writer.append(records);
    if (!written) told = cannot_write(written.error());
    if (unwritable_) unwritten += records.size();
    records.clear();
  };
  write(steps_, batch_, unwritten_records_);
  write(collectives_, spans_, unwritten_spans_);
  return told;
}

Status Recorder::find_lost_nodes(std::int64_t now_ns) {
  Status worst;
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    NodeState& node = nodes_[i];
    if (node.has_ended()) continue;
    const bool heard = node.last_heard_ns != 0;
    const std::int64_t silent_ns = pause_.silence_ns(heard ? node.last_heard_ns : opened_ns_, now_ns);
    if (silent_ns <= (heard ? kSilence_ns : kFirstContact_ns)) continue;
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

/// Their agents live, for something still speaks for them, and do not get to their end.
Status Recorder::give_up_nodes(std::int64_t now_ns) {
  if (!end_ordered_ns_ || pause_.silence_ns(*end_ordered_ns_, now_ns) <= end_patience_ns_) return {};
  Json event = make_event("not_ended", 0, now_ns);
  event["nodes"] = Json::array();
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    if (nodes_[i].has_ended()) continue;
    nodes_[i].given_up = true;
    event["nodes"].push_back(i);
  }
  return event["nodes"].empty() ? Status() : write_event(event);
}

int Recorder::left_by_all() const {
  int left = std::numeric_limits<int>::max();
  for (const NodeState& node : nodes_)
    if (!node.lost) left = std::min(left, node.left_block);
  return left;
}

bool Recorder::is_over() const {
  return std::all_of(nodes_.begin(), nodes_.end(), [](const NodeState& node) { return node.has_ended(); });
}

bool Recorder::is_quiet() const {
  return std::all_of(nodes_.begin(), nodes_.end(),
                     [](const NodeState& node) { return node.has_ended() || node.last_heard_ns == 0; });
}

}  // namespace grit
