#include <algorithm>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "tests/catch.hpp"
#include "tests/mpi/all_operations.hpp"

using namespace grit;
using namespace grit::test;

namespace {

constexpr DataType kTypes[] = {DataType::fp32, DataType::bf16, DataType::fp16, DataType::bytes};

/// Neighbours, two and two; where their number is odd the last is alone.
std::vector<std::vector<int>> pairs_of(int ranks) {
  std::vector<std::vector<int>> lists;
  for (int rank = 0; rank < ranks; rank += 2)
    lists.push_back(rank + 1 < ranks ? std::vector<int>{rank, rank + 1} : std::vector<int>{rank});
  return lists;
}

/// The even ones backwards, and the odd ones.
std::vector<std::vector<int>> by_parity(int ranks) {
  std::vector<std::vector<int>> lists(ranks > 1 ? 2 : 1);
  for (int rank = 0; rank < ranks; ++rank) lists[static_cast<std::size_t>(rank % 2)].push_back(rank);
  std::reverse(lists[0].begin(), lists[0].end());
  return lists;
}

std::unique_ptr<Communicator> part_of(Communicator& whole, std::string_view axis, std::uint16_t first_id,
                                      const std::vector<std::vector<int>>& lists) {
  auto part = whole.split(axis, first_id, lists);
  REQUIRE(part);
  return std::move(*part);
}

}  // namespace

TEST_CASE("every operation delivers what it should, of any type and size, whole and cut, all at the same time") {
  for (const std::size_t largest : {std::size_t{1} << 30, std::size_t{1000}}) {
    World world(largest);
    for (const DataType type : kTypes) {
      for (const std::size_t count : {0, 1, 3, 64, 65, 999, 1000, 1001, 4097, 50'003}) {
        INFO(data_type_name(type) << ", " << count << " elements, cut at " << largest);
        AllOperations all(*world.communicator, type, count);
        for (std::uint64_t step = 0; step < 2; ++step) {
          all.fill(step);
          all.begin();
          REQUIRE(world.communicator->wait_all());
          CHECK(all.check() == std::vector<std::uint64_t>(from_previous + 1));
        }
        world.take();
      }
    }
    CHECK(world.spans.dropped() == 0);
  }
}

TEST_CASE("groups are split off in the order that is asked for, and know who and which they are") {
  World world;
  const int ranks = world.communicator->size(), rank = world.communicator->rank();
  CHECK(world.communicator->group().axis == "world");
  CHECK(world.communicator->group().members.size() == static_cast<std::size_t>(ranks));
  const auto even = part_of(*world.communicator, "dp", 10, by_parity(ranks));
  CHECK(even->group().axis == "dp");
  CHECK(even->group().index == rank % 2);
  CHECK(even->group().id == 10 + rank % 2);
  CHECK(even->group().members == by_parity(ranks)[static_cast<std::size_t>(rank % 2)]);
  CHECK(even->group().members[static_cast<std::size_t>(even->rank())] == rank);
  // Of a group again: its members are still named as ranks of the job.
  std::vector<std::vector<int>> each_alone;
  for (int i = 0; i < even->size(); ++i) each_alone.push_back({i});
  const auto alone = part_of(*even, "alone", 20, each_alone);
  CHECK(alone->size() == 1);
  CHECK(alone->group().members == std::vector<int>{rank});
}

TEST_CASE("a split that does not have every rank once is refused on all ranks") {
  World world;
  const int ranks = world.communicator->size();
  std::vector<int> all(static_cast<std::size_t>(ranks));
  for (int rank = 0; rank < ranks; ++rank) all[static_cast<std::size_t>(rank)] = rank;
  const std::vector<int> without_last(all.begin(), all.end() - 1);
  std::vector<int> with_one_more = all;
  with_one_more.push_back(ranks);
  using Lists = std::vector<std::vector<int>>;
  for (const Lists& lists : {Lists{without_last}, Lists{all, {0}}, Lists{with_one_more}, Lists{}, Lists{{-1}, all}}) {
    const auto part = world.communicator->split("dp", 1, lists);
    REQUIRE_FALSE(part);
    CHECK(part.error().kind == ErrorKind::usage);
  }
  CHECK(world.communicator->split("dp", 1, Lists{all}));  // none of these is a failure of the communicator
}

TEST_CASE("operations of several groups are under way at once, and one wait is enough for all of them") {
  for (const std::size_t largest : {std::size_t{1} << 30, std::size_t{777}}) {
    World world(largest);
    const auto pair = part_of(*world.communicator, "tp", 1, pairs_of(world.communicator->size()));
    const auto parity = part_of(*world.communicator, "dp", 3, by_parity(world.communicator->size()));
    for (const DataType type : kTypes) {
      INFO(data_type_name(type));
      std::vector<AllOperations> all;
      for (const std::size_t count : {3, 5'000, 100})
        for (Communicator* one : {world.communicator.get(), pair.get(), parity.get()})
          all.emplace_back(*one, type, count);
      for (std::uint64_t step = 0; step < 3; ++step) {
        for (AllOperations& one : all) one.fill(step);
        for (AllOperations& one : all) one.begin();
        REQUIRE(pair->wait_all());
        for (AllOperations& one : all) CHECK(total(one.check()) == 0);
      }
    }
    CHECK(std::ranges::all_of(world.take(), [](const CollectiveRecord& span) { return span.exit_ns > 0; }));
    CHECK(world.spans.dropped() == 0);
  }
}

TEST_CASE("one value that was sent wrong is counted where it arrives, in its operation's span and nowhere else") {
  World world;
  Communicator& communicator = *world.communicator;
  const int ranks = communicator.size();
  for (const DataType type : kTypes) {
    INFO(data_type_name(type));
    AllOperations all(communicator, type, 500);
    const bool sums = type != DataType::bytes;
    all.fill(4);
    if (communicator.rank() == 0) {
      // A bit of the exponent, or of a number of 8 bits: no sum absorbs it.
      const std::size_t hit = 7 * bytes_per_element(type) + bytes_per_element(type) - 1;
      for (const Kind kind : {reduce, scatter, gather, to_next}) all.of(kind).sent[hit] ^= std::byte{0x40};
      const std::size_t last = all.of(to_all).sent.size();
      if (last > 0) all.of(to_all).sent[last - 1] ^= std::byte{0x40};  // goes to the last rank that gets something
    }
    all.begin();
    REQUIRE(communicator.wait_all());
    const auto wrong = all.check();
    CHECK(wrong[reduce] == (sums ? 1U : 0U));
    CHECK(wrong[scatter] == (sums && communicator.rank() == 0 ? 1U : 0U));
    CHECK(wrong[gather] == 1);
    CHECK(wrong[from_previous] == (communicator.rank() == 1 % ranks ? 1U : 0U));
    int hit_rank = -1;
    for (int peer = 0; peer < ranks; ++peer)
      if (all.part(0, static_cast<std::size_t>(peer)) > 0) hit_rank = peer;
    CHECK(wrong[to_all] == (communicator.rank() == hit_rank ? 1U : 0U));
    CHECK(wrong[reduce_in_place] + wrong[scatter_in_place] + wrong[gather_in_place] == 0);

    std::uint64_t in_spans = 0;
    for (const CollectiveRecord& span : world.take()) {
      in_spans += span.wrong;
      CHECK((span.operation != CollectiveOperation::send || span.wrong == 0));
    }
    CHECK(in_spans == total(wrong));
  }
}

TEST_CASE("data of a former step are counted") {
  World world;
  AllOperations all(*world.communicator, DataType::bf16, 300);
  all.fill(1);
  all.begin();
  REQUIRE(world.communicator->wait_all());
  CHECK(total(all.check()) == 0);
  const auto stale = all.of(gather).received;
  all.fill(2);
  all.begin();
  REQUIRE(world.communicator->wait_all());
  all.of(gather).received = stale;
  CHECK(all.check()[gather] > 150 * static_cast<std::uint64_t>(world.communicator->size()));
}

TEST_CASE("every operation leaves a span: numbered by group and by peer, with exact bytes and times in order") {
  World world;
  const auto pair = part_of(*world.communicator, "tp", 1, pairs_of(world.communicator->size()));
  const auto rank = static_cast<std::uint32_t>(world.communicator->rank());
  constexpr std::size_t kCount = 1001;
  constexpr std::uint32_t kSteps = 3;
  AllOperations in_world(*world.communicator, DataType::fp16, kCount), in_pair(*pair, DataType::fp32, kCount);
  for (std::uint32_t step = 0; step < kSteps; ++step) {
    world.spans.begin_step(step);
    for (AllOperations* all : {&in_world, &in_pair}) all->fill(step), all->begin();
    REQUIRE(world.communicator->wait_all());
  }
  const auto spans = world.take();
  REQUIRE(spans.size() == kSteps * 2 * (from_previous + 1));
  std::map<std::tuple<int, int, int>, std::uint32_t> next;  // group; operation where it has a peer; peer
  std::int64_t previous_entry_ns = 0;
  for (std::size_t i = 0; i < spans.size(); ++i) {
    const CollectiveRecord& span = spans[i];
    const Communicator& of = span.group == 0 ? *world.communicator : *pair;
    const auto kind = static_cast<Kind>(i % (from_previous + 1));
    INFO("span " << i << ", " << to_string(span.operation) << " of group " << span.group);
    CHECK(span.group == (i / (from_previous + 1) % 2 == 0 ? world.communicator->group().id : pair->group().id));
    CHECK(span.step == i / (2 * (from_previous + 1)));
    CHECK(span.rank == rank);
    CHECK(span.type == (span.group == 0 ? DataType::fp16 : DataType::fp32));
    const bool has_peer = kind == to_next || kind == from_previous;
    CHECK((span.peer >= 0) == has_peer);
    CHECK(span.sequence == next[{span.group, has_peer ? int{kind} : 0, span.peer}]++);
    CHECK(span.entry_ns >= previous_entry_ns);
    CHECK(span.exit_ns >= span.entry_ns);
    previous_entry_ns = span.entry_ns;
    const auto ranks = static_cast<std::size_t>(of.size());
    std::size_t elements = kind == scatter || kind == scatter_in_place || kind == gather || kind == gather_in_place
                               ? kCount * ranks
                               : kCount;
    if (kind == to_all) {
      elements = 0;
      for (std::size_t peer = 0; peer < ranks; ++peer)
        elements += in_world.part(static_cast<std::size_t>(of.rank()), peer);
    }
    CHECK(span.bytes == static_cast<std::int64_t>(elements * bytes_per_element(span.type)));
  }
}

TEST_CASE("a send and its receive have the same number, and the other's rank as peer") {
  World world;
  Communicator& communicator = *world.communicator;
  const int next = (communicator.rank() + 1) % communicator.size();
  const int previous = (communicator.rank() + communicator.size() - 1) % communicator.size();
  constexpr std::uint32_t kMessages = 3 * OpenOperations::kExpected / 2;  // more than were expected
  std::vector<std::uint32_t> sent(kMessages), received(kMessages);
  for (std::uint32_t i = 0; i < kMessages; ++i) sent[i] = i;
  for (std::uint32_t i = 0; i < kMessages; ++i) {
    REQUIRE(communicator.send(&sent[i], sizeof sent[i], DataType::bytes, next));
    REQUIRE(communicator.receive(&received[i], sizeof received[i], DataType::bytes, previous));
  }
  REQUIRE(communicator.wait_all());
  CHECK(received == sent);  // the n-th is the n-th
  const auto spans = world.take();
  REQUIRE(spans.size() == 2 * kMessages);
  std::size_t wrong = 0;
  for (std::uint32_t i = 0; i < kMessages; ++i) {
    wrong += spans[2 * i].sequence != i || spans[2 * i].peer != next ? 1U : 0U;
    wrong += spans[2 * i + 1].sequence != i || spans[2 * i + 1].peer != previous ? 1U : 0U;
  }
  CHECK(wrong == 0);
}

TEST_CASE("waiting for one operation does not wait for those begun before it") {
  World world;
  Communicator& communicator = *world.communicator;
  const int next = (communicator.rank() + 1) % communicator.size();
  const int previous = (communicator.rank() + communicator.size() - 1) % communicator.size();
  float late = 0, sum = 1;
  const auto receiving = communicator.receive(&late, 1, DataType::fp32, previous);
  const auto summing = communicator.all_reduce(&sum, &sum, 1, DataType::fp32);
  REQUIRE(receiving);
  REQUIRE(summing);
  REQUIRE(communicator.wait(*summing));
  CHECK(sum == static_cast<float>(communicator.size()));
  const float value = 17;
  const auto sending = communicator.send(&value, 1, DataType::fp32, next);
  REQUIRE(sending);
  REQUIRE(communicator.wait(*receiving));
  CHECK(late == 17);
  REQUIRE(communicator.wait(*sending));
  CHECK(communicator.wait(*summing));  // once more: at once
}

TEST_CASE("waiting for nothing returns at once") {
  World world;
  world.communicator->poke();
  CHECK(world.communicator->wait(OperationHandle{}));
  CHECK(world.communicator->wait_all());
}

TEST_CASE("spans that have no place are counted, and the operations go on") {
  std::vector<CollectiveRecord> ring(4);
  SpanSink spans(ring);
  const auto communicator = make_mpi_communicator(MPI_COMM_WORLD, {.spans = &spans});
  REQUIRE(communicator);
  AllOperations all(**communicator, DataType::fp32, 100);
  all.fill(0);
  all.begin();
  REQUIRE((*communicator)->wait_all());
  CHECK(total(all.check()) == 0);
  CHECK(spans.dropped() == from_previous + 1 - ring.size());
}

TEST_CASE("an operation that failed makes all groups of the rank fail for good") {
  World world;
  Communicator& communicator = *world.communicator;
  const auto pair = part_of(communicator, "tp", 1, pairs_of(communicator.size()));
  const int next = (communicator.rank() + 1) % communicator.size();
  const int previous = (communicator.rank() + communicator.size() - 1) % communicator.size();
  std::vector<float> sent(8), received(4);
  // More than the receiver takes: every rank finds that in what it receives.
  REQUIRE(communicator.send(sent.data(), sent.size(), DataType::fp32, next));
  const auto receiving = communicator.receive(received.data(), received.size(), DataType::fp32, previous);
  REQUIRE(receiving);
  const Status failed = communicator.wait(*receiving);
  REQUIRE_FALSE(failed);
  CHECK(failed.error().kind == ErrorKind::internal);
  INFO(failed.error().message);
  CHECK(failed.error().message.find("receive 0 of group 0 failed: MPI_ERR_TRUNCATE") != std::string::npos);

  float one = 1;
  const auto same = [&](const auto& result) { return !result && result.error().message == failed.error().message; };
  CHECK(same(communicator.wait_all()));
  CHECK(same(communicator.all_reduce(&one, &one, 1, DataType::fp32)));
  CHECK(same(pair->all_gather(&one, &one, 1, DataType::fp32)));
  CHECK(same(pair->wait(OperationHandle{})));
  CHECK(same(communicator.split("dp", 5, by_parity(communicator.size()))));
  communicator.poke();
  communicator.abort("too late");
  CHECK(same(communicator.wait_all()));
}

TEST_CASE("an error of MPI while the communicator is made is returned") {
  // An error without a valid communicator is raised on MPI_COMM_WORLD, whose handler would abort.
  REQUIRE(MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN) == MPI_SUCCESS);
  const auto communicator = make_mpi_communicator(MPI_COMM_NULL);
  REQUIRE(MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_ARE_FATAL) == MPI_SUCCESS);
  REQUIRE_FALSE(communicator);
  CHECK(communicator.error().kind == ErrorKind::internal);
  CHECK(communicator.error().message.find("MPI_Comm_dup failed: MPI_ERR_COMM") != std::string::npos);
}

TEST_CASE("abort gives up what is open and says why from then on") {
  static float never = 0;  // MPI may still write to it
  World world;
  Communicator& communicator = *world.communicator;
  const auto receiving = communicator.receive(&never, 1, DataType::fp32, communicator.rank());
  REQUIRE(receiving);
  communicator.abort("rank 7 is gone");
  const Status waited = communicator.wait(*receiving);
  REQUIRE_FALSE(waited);
  CHECK(waited.error().message.find("rank 7 is gone") != std::string::npos);
  float one = 1;
  CHECK_FALSE(communicator.all_reduce(&one, &one, 1, DataType::fp32));
}
