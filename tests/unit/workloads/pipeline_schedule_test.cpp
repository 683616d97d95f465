#include "workloads/pipeline_schedule.hpp"

#include <algorithm>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "tests/catch.hpp"

using namespace grit;

namespace {

constexpr int kForwardTime = 1;
constexpr int kBackwardTime = 2;
constexpr int kActionPairTime = kForwardTime + kBackwardTime;

/// What a stage works on; of a message, what its receiver will do with it. `part` is among all p·v.
struct Work {
  Pass pass;
  int micro_batch;
  int part;
  auto operator<=>(const Work&) const = default;
};

Work work_of(const PipelineShape& shape, int stage, const PipelineAction& action) {
  return {action.pass, action.micro_batch, action.chunk * shape.stages + stage};
}

/// What the action's output is for.
Work output_of(const PipelineShape& shape, int stage, const PipelineAction& action) {
  Work work = work_of(shape, stage, action);
  work.part += action.pass == Pass::forward ? 1 : -1;
  return work;
}

int time_of(const PipelineAction& action) { return action.pass == Pass::forward ? kForwardTime : kBackwardTime; }

using Schedules = std::vector<std::vector<PipelineAction>>;

Schedules all_schedules(const PipelineShape& shape) {
  Schedules schedules;
  for (int stage = 0; stage < shape.stages; ++stage) schedules.push_back(pipeline_schedule(shape, stage));
  return schedules;
}

/// A send or a receive that was begun and not yet met by its counterpart.
struct Open {
  Work work;
  int begun_at;
};

struct Played {
  bool deadlock = false;
  bool mixed_up = false;  // a receive met a send of something else
  int end = 0;            // when the last stage is done
};

/// Stages that receive in order of their actions and block, and send without ever blocking.
Played play_buffered(const PipelineShape& shape, const Schedules& schedules) {
  std::map<std::pair<int, int>, std::deque<Open>> sent;  // by sender and receiver
  std::vector<int> now(schedules.size(), 0);
  std::vector<std::size_t> next(schedules.size(), 0);
  Played played;
  for (bool moved = true; moved;) {
    moved = false;
    for (int stage = 0; stage < shape.stages; ++stage) {
      const auto s = static_cast<std::size_t>(stage);
      if (next[s] == schedules[s].size()) continue;
      const PipelineAction& action = schedules[s][next[s]];
      if (action.receive_from >= 0) {
        auto& arriving = sent[{action.receive_from, stage}];
        if (arriving.empty()) continue;
        played.mixed_up |= arriving.front().work != work_of(shape, stage, action);
        now[s] = std::max(now[s], arriving.front().begun_at);
        arriving.pop_front();
      }
      now[s] += time_of(action);
      if (action.send_to >= 0) sent[{stage, action.send_to}].push_back({output_of(shape, stage, action), now[s]});
      ++next[s];
      moved = true;
    }
  }
  for (std::size_t s = 0; s < schedules.size(); ++s) played.deadlock |= next[s] < schedules[s].size();
  played.end = std::ranges::max(now);
  return played;
}

/// Stages whose sends complete only when their receives were begun, and which begin nothing before all of their last
/// exchange is complete: the strictest reading of the header.
class Rendezvous {
 public:
  Rendezvous(const PipelineShape& shape, const Schedules& schedules) : shape_(shape), schedules_(schedules) {
    stages_.resize(schedules.size());
  }

  Played play() {
    for (int stage = 0; stage < shape_.stages; ++stage) exchange(stage, {});
    for (bool moved = true; moved;) {
      moved = false;
      for (int stage = 0; stage < shape_.stages; ++stage) {
        Stage& mine = at(stage);
        if (mine.open > 0 || mine.next == schedule(stage).size()) continue;
        exchange(stage, do_group(stage));
        moved = true;
      }
    }
    for (int stage = 0; stage < shape_.stages; ++stage) {
      played_.deadlock |= at(stage).open > 0;
      played_.end = std::max(played_.end, at(stage).now);
    }
    return played_;
  }

 private:
  struct Stage {
    std::size_t next = 0;  // action
    int now = 0;
    int open = 0;      // sends and receives of the last exchange
    int complete = 0;  // when the latest of those that are complete was
  };

  Stage& at(int stage) { return stages_[static_cast<std::size_t>(stage)]; }
  const std::vector<PipelineAction>& schedule(int stage) const { return schedules_[static_cast<std::size_t>(stage)]; }

  /// The actions from `first` to the end of its group.
  std::vector<PipelineAction> group_from(int stage, std::size_t first) const {
    std::vector<PipelineAction> group;
    for (std::size_t i = first; i < schedule(stage).size(); ++i) {
      group.push_back(schedule(stage)[i]);
      if (group.back().exchange_after) break;
    }
    return group;
  }

  std::vector<PipelineAction> do_group(int stage) {
    const auto group = group_from(stage, at(stage).next);
    at(stage).next += group.size();
    for (const PipelineAction& action : group) at(stage).now += time_of(action);
    return group;
  }

  void exchange(int stage, const std::vector<PipelineAction>& done) {
    const auto coming = group_from(stage, at(stage).next);
    ++at(stage).open;  // the exchange is not complete before all of it was begun
    for (const Pass pass : {Pass::forward, Pass::backward}) {
      for (const PipelineAction& action : done) {
        if (action.pass == pass && action.send_to >= 0) begin_send(stage, action);
      }
      for (const PipelineAction& action : coming) {
        if (action.pass == pass && action.receive_from >= 0) begin_receive(stage, action);
      }
    }
    complete_one(stage, at(stage).now);
  }

  void begin_send(int stage, const PipelineAction& action) {
    begin(stage, action.send_to, output_of(shape_, stage, action), sends_[{stage, action.send_to}],
          receives_[{stage, action.send_to}]);
  }

  void begin_receive(int stage, const PipelineAction& action) {
    begin(stage, action.receive_from, work_of(shape_, stage, action), receives_[{action.receive_from, stage}],
          sends_[{action.receive_from, stage}]);
  }

  void begin(int stage, int peer, const Work& work, std::deque<Open>& own, std::deque<Open>& counterparts) {
    ++at(stage).open;
    if (counterparts.empty()) {
      own.push_back({work, at(stage).now});
      return;
    }
    played_.mixed_up |= counterparts.front().work != work;
    const int complete = std::max(counterparts.front().begun_at, at(stage).now);
    counterparts.pop_front();
    complete_one(stage, complete);
    complete_one(peer, complete);
  }

  void complete_one(int stage, int time) {
    Stage& mine = at(stage);
    mine.complete = std::max(mine.complete, time);
    if (--mine.open == 0) mine.now = mine.complete;
  }

  PipelineShape shape_;
  const Schedules& schedules_;
  std::vector<Stage> stages_;
  std::map<std::pair<int, int>, std::deque<Open>> sends_;  // by sender and receiver
  std::map<std::pair<int, int>, std::deque<Open>> receives_;
  Played played_;
};

std::vector<PipelineShape> many_shapes() {
  std::vector<PipelineShape> shapes;
  for (const int p : {1, 2, 3, 4, 5, 8, 16}) {
    for (const int m : {1, 2, 3, 4, 5, 7, 8, 16, 33}) shapes.push_back({.stages = p, .micro_batches = m});
  }
  for (const int p : {2, 3, 4, 5, 8, 16}) {
    for (const int v : {2, 3, 4, 7}) {
      for (const int rounds : {1, 2, 3, 5}) {
        shapes.push_back({.stages = p, .micro_batches = p * rounds, .chunks = v});
      }
    }
  }
  return shapes;
}

std::string name_of(const PipelineShape& shape) {
  return std::to_string(shape.stages) + " stages, " + std::to_string(shape.micro_batches) + " micro-batches, " +
         std::to_string(shape.chunks) + " chunks";
}

/// (p - 1) / (v·m + p - 1) of the step is idle on every stage.
bool has_published_bubble(const PipelineShape& shape, const Played& played) {
  const int busy = shape.micro_batches * shape.chunks * kActionPairTime;
  const int idle = played.end - busy;
  return idle * (shape.chunks * shape.micro_batches + shape.stages - 1) == (shape.stages - 1) * played.end;
}

}  // namespace

TEST_CASE("every stage does every micro-batch forward and then backward, once in each of its chunks") {
  for (const PipelineShape& shape : many_shapes()) {
    INFO(name_of(shape));
    REQUIRE(check_pipeline(shape));
    for (int stage = 0; stage < shape.stages; ++stage) {
      std::set<std::pair<int, int>> forward;
      std::set<std::pair<int, int>> backward;
      int most_in_flight = 0;
      for (const PipelineAction& action : pipeline_schedule(shape, stage)) {
        const std::pair work{action.micro_batch, action.chunk};
        if (action.pass == Pass::forward) {
          CHECK(forward.insert(work).second);
        } else {
          CHECK(forward.contains(work));
          CHECK(backward.insert(work).second);
        }
        most_in_flight = std::max(most_in_flight, static_cast<int>(forward.size() - backward.size()));
      }
      const auto all = static_cast<std::size_t>(shape.micro_batches * shape.chunks);
      CHECK(forward.size() == all);
      CHECK(backward == forward);
      CHECK(std::ranges::all_of(forward, [&shape](const auto& work) {
        return work.first >= 0 && work.first < shape.micro_batches && work.second >= 0 && work.second < shape.chunks;
      }));
      CHECK(most_in_flight == activations_in_flight(shape, stage));
    }
  }
}

TEST_CASE("without interleaving the first stage keeps the activations of p micro-batches and the last of one") {
  for (const int p : {1, 2, 4, 8}) {
    for (const int m : {1, 2, 4, 8, 32}) {
      const PipelineShape shape{.stages = p, .micro_batches = m};
      CHECK(activations_in_flight(shape, 0) == std::min(p, m));
      CHECK(activations_in_flight(shape, p - 1) == 1);
    }
  }
  CHECK(activations_in_flight({.stages = 4, .micro_batches = 16, .chunks = 2}, 0) == 4 * 2 + 4 - 1);
}

TEST_CASE("stages that receive in order and send without blocking come through, with the published bubble") {
  for (const PipelineShape& shape : many_shapes()) {
    INFO(name_of(shape));
    const Played played = play_buffered(shape, all_schedules(shape));
    CHECK_FALSE(played.deadlock);
    CHECK_FALSE(played.mixed_up);
    CHECK(has_published_bubble(shape, played));
    CHECK(bubble_share(shape) ==
          Approx(1 - static_cast<double>(shape.micro_batches * shape.chunks * kActionPairTime) / played.end));
  }
}

TEST_CASE("sends that complete only with their receives, in exchanges that are waited for, cost no more") {
  for (const PipelineShape& shape : many_shapes()) {
    INFO(name_of(shape));
    const Schedules schedules = all_schedules(shape);
    const Played played = Rendezvous(shape, schedules).play();
    CHECK_FALSE(played.deadlock);
    CHECK_FALSE(played.mixed_up);
    CHECK(has_published_bubble(shape, played));
  }
}

TEST_CASE("stages that take the same time idle as published") {
  for (const PipelineShape& shape : many_shapes()) {
    INFO(name_of(shape));
    const std::vector<double> times(static_cast<std::size_t>(shape.stages * shape.chunks), 0.25);
    const auto shares = idle_shares(shape, times);
    REQUIRE(shares.size() == static_cast<std::size_t>(shape.stages));
    for (const double share : shares) CHECK(share == Approx(bubble_share(shape)).margin(1e-12));
  }
}

TEST_CASE("stages that take unequal times idle as the schedule has it") {
  // By hand. One micro-batch: forwards end at 1 and 4, backwards at 10 and 12.
  const auto one = idle_shares({.stages = 2, .micro_batches = 1}, std::vector{1.0, 3.0});
  CHECK(one[0] == Approx(1 - 3.0 / 12));
  CHECK(one[1] == Approx(1 - 9.0 / 12));
  // Two: the second stage works from 1 to 13, the first until 2, from 7 to 9 and from 13 to 15.
  const auto two = idle_shares({.stages = 2, .micro_batches = 2}, std::vector{1.0, 2.0});
  CHECK(two[0] == Approx(1 - 6.0 / 15));
  CHECK(two[1] == Approx(1 - 12.0 / 15));
}

TEST_CASE("an exchange after every action would deadlock the interleaved schedule") {
  for (const int p : {2, 4, 8}) {
    const PipelineShape shape{.stages = p, .micro_batches = 4 * p, .chunks = 2};
    INFO(name_of(shape));
    Schedules schedules = all_schedules(shape);
    for (auto& schedule : schedules) {
      for (PipelineAction& action : schedule) action.exchange_after = true;
    }
    CHECK(Rendezvous(shape, schedules).play().deadlock);
  }
}

TEST_CASE("the schedule of four stages is the published one") {
  // Narayanan et al. 2021, figure 4: the second stage of four, eight micro-batches.
  std::string order;
  for (const PipelineAction& action : pipeline_schedule({.stages = 4, .micro_batches = 8}, 1)) {
    order += (action.pass == Pass::forward ? " F" : " B") + std::to_string(action.micro_batch + 1);
  }
  CHECK(order == " F1 F2 F3 B1 F4 B2 F5 B3 F6 B4 F7 B5 F8 B6 B7 B8");
  // There, below: interleaved with two chunks, the last device. Micro-batches of its second chunk are marked.
  order.clear();
  for (const PipelineAction& action : pipeline_schedule({.stages = 4, .micro_batches = 8, .chunks = 2}, 3)) {
    order += (action.pass == Pass::forward ? " F" : " B") + std::to_string(action.micro_batch + 1);
    if (action.chunk == 1) order += "'";
  }
  CHECK(order ==
        " F1 F2 F3 F4 F1' B1' F2' B2' F3' B3' F4' B4' F5 B1 F6 B2 F7 B3 F8 B4 F5' B5' F6' B6' F7' B7' F8' B8' B5 B6 B7 "
        "B8");
}

TEST_CASE("a pipeline that cannot be says what could be") {
  const auto error = [](const PipelineShape& shape) {
    const Status status = check_pipeline(shape);
    REQUIRE_FALSE(status);
    CHECK(status.error().kind == ErrorKind::usage);
    return status.error().message;
  };
  CHECK(error({.stages = 4, .micro_batches = 6, .chunks = 2}).find("choose 4 or 8 micro-batches") != std::string::npos);
  CHECK(error({.stages = 4, .micro_batches = 3, .chunks = 2}).find("choose 4 micro-batches") != std::string::npos);
  CHECK(error({.stages = 1, .micro_batches = 4, .chunks = 2}).find("choose chunks = 1") != std::string::npos);
  CHECK(error({.stages = 2, .micro_batches = 0}).find("at least 1 of each") != std::string::npos);
  CHECK(check_pipeline({.stages = 8, .micro_batches = 3}));  // fewer micro-batches than stages
}
