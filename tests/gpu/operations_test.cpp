// The contract of Communicator, on buffers of GPUs.
#include <numeric>
#include <vector>

#include "tests/gpu/gpu_rank.hpp"
#include "workloads/data_pattern.hpp"

namespace grit {
namespace {

/// One of every operation, all under way at the same time. `count`: elements of a rank's part.
class Operations {
 public:
  Operations(test::GpuRank& rank, Communicator& group, DataType type, std::size_t count)
      : device_(*rank.device),
        group_(group),
        type_(type),
        count_(count),
        ranks_(static_cast<std::size_t>(group.size())),
        own_(static_cast<std::size_t>(group.rank())),
        sums_(type == DataType::bytes ? DataType::fp32 : type, group.group().id, group.rank(), group.size()),
        copies_(type, group.group().id, group.size()) {
    for (std::size_t peer = 0; peer < ranks_; ++peer) {
      sent_.push_back(part(own_, peer));
      received_.push_back(part(peer, own_));
    }
    reduced_ = elements(count);
    whole_ = elements(count * ranks_);
    scattered_ = elements(count);
    gathered_ = elements(count * ranks_);
    out_ = elements(std::accumulate(sent_.begin(), sent_.end(), std::size_t{0}));
    in_ = elements(std::accumulate(received_.begin(), received_.end(), std::size_t{0}));
    to_next_ = elements(count);
    from_previous_ = elements(count);
  }

  void begin(std::uint64_t step) {
    copies_.begin_step(step);
    if (type_ != DataType::bytes) {
      sums_.begin_step(step);
      sums_.fill(device_, reduced_.data(), 0, count_);
      sums_.fill(device_, whole_.data(), kScattered, count_ * ranks_);
      begun(group_.all_reduce(reduced_.data(), reduced_.data(), count_, type_));
      begun(group_.reduce_scatter(whole_.data(), scattered_.data(), count_, type_));
    }
    copies_.fill(device_, at(gathered_, own_ * count_), rank(own_), 0, kGathered, count_);
    begun(group_.all_gather(at(gathered_, own_ * count_), gathered_.data(), count_, type_));
    std::size_t done = 0;
    for (std::size_t peer = 0; peer < ranks_; done += sent_[peer++])
      copies_.fill(device_, at(out_, done), rank(own_), rank(peer), kToAll, sent_[peer]);
    begun(group_.all_to_all(out_.data(), sent_, in_.data(), received_, type_));
    copies_.fill(device_, to_next_.data(), rank(own_), next(), kToNext, count_);
    begun(group_.send(to_next_.data(), count_, type_, next()));
    begun(group_.receive(from_previous_.data(), count_, type_, previous()));
  }

  /// Values that are wrong, of all operations; after waiting.
  std::uint64_t wrong() {
    std::uint64_t wrong = 0;
    if (type_ != DataType::bytes) {
      wrong += sums_.check(device_, reduced_.data(), 0, count_).count;
      wrong += sums_.check(device_, scattered_.data(), kScattered + own_ * count_, count_).count;
    }
    std::size_t done = 0;
    for (std::size_t peer = 0; peer < ranks_; done += received_[peer++]) {
      wrong += copies_.check(device_, at(gathered_, peer * count_), rank(peer), 0, kGathered, count_).count;
      wrong += copies_.check(device_, at(in_, done), rank(peer), rank(own_), kToAll, received_[peer]).count;
    }
    return wrong + copies_.check(device_, from_previous_.data(), previous(), rank(own_), kToNext, count_).count;
  }

  [[nodiscard]] const DeviceBuffer& reduced() const { return reduced_; }

 private:
  static constexpr std::size_t kScattered = 1'000'003, kGathered = 2'000'006, kToAll = 3'000'009, kToNext = 4'000'012;

  static int rank(std::size_t number) { return static_cast<int>(number); }
  /// Uneven, and nothing for one rank in three.
  [[nodiscard]] std::size_t part(std::size_t source, std::size_t destination) const {
    return count_ * ((source + 2 * destination) % 3);
  }
  [[nodiscard]] int next() const { return rank((own_ + 1) % ranks_); }
  [[nodiscard]] int previous() const { return rank((own_ + ranks_ - 1) % ranks_); }
  DeviceBuffer elements(std::size_t count) { return device_.allocate(count * bytes_per_element(type_)); }
  [[nodiscard]] std::byte* at(const DeviceBuffer& buffer, std::size_t element) const {
    return buffer.data() + element * bytes_per_element(type_);
  }
  static void begun(const Result<OperationHandle>& handle) {
    INFO((handle ? "" : handle.error().message));
    REQUIRE(handle);
  }

  Device& device_;
  Communicator& group_;
  DataType type_;
  std::size_t count_;
  std::size_t ranks_;
  std::size_t own_;
  SumPattern sums_;
  CopyPattern copies_;
  std::vector<std::size_t> sent_{}, received_{};
  DeviceBuffer reduced_{}, whole_{}, scattered_{}, gathered_{}, out_{}, in_{}, to_next_{}, from_previous_{};
};

void wait_all(Communicator& group) {
  const Status done = group.wait_all();
  INFO((done ? "" : done.error().message));
  REQUIRE(done);
}

}  // namespace

TEST_CASE("every operation delivers what it should, of any type and size") {
  test::GpuRank rank;
  for (const DataType type : {DataType::fp32, DataType::bf16, DataType::fp16, DataType::bytes}) {
    for (const std::size_t count : {1U, 3U, 1000U, 50'003U}) {
      INFO(data_type_name(type) << ", " << count << " elements");
      Operations all(rank, *rank.world, type, count);
      for (std::uint64_t step = 0; step < 2; ++step) {
        all.begin(step);
        wait_all(*rank.world);
        CHECK(all.wrong() == 0);
      }
      for (const CollectiveRecord& span : rank.take()) CHECK(span.exit_ns >= span.entry_ns);
    }
  }
  CHECK(rank.spans.dropped() == 0);
}

TEST_CASE("a value that was changed on its way is found") {
  test::GpuRank rank;
  Operations all(rank, *rank.world, DataType::fp32, 1000);
  all.begin(0);
  wait_all(*rank.world);
  rank.device->flip(all.reduced().data() + 4 * 123 + 2, std::byte{0x40});
  CHECK(all.wrong() == 1);
}

TEST_CASE("groups that were split off work beside the whole one and each other") {
  test::GpuRank rank;
  const int ranks = rank.world->size();
  std::vector<std::vector<int>> pairs, parity(ranks > 1 ? 2 : 1);
  for (int one = 0; one < ranks; ++one) {
    if (one % 2 == 0) pairs.emplace_back();
    pairs.back().push_back(one);
    parity[static_cast<std::size_t>(one % 2)].push_back(one);
  }
  auto pair = rank.world->split("tp", 1, pairs);
  REQUIRE(pair);
  auto other = rank.world->split("dp", 10, parity);
  REQUIRE(other);
  Operations whole(rank, *rank.world, DataType::bf16, 5000), first(rank, **pair, DataType::fp32, 777),
      second(rank, **other, DataType::bf16, 333);
  for (std::uint64_t step = 0; step < 3; ++step) {
    for (Operations* one : {&whole, &first, &second}) one->begin(step);
    wait_all(*rank.world);
    CHECK(whole.wrong() + first.wrong() + second.wrong() == 0);
  }
}

}  // namespace grit
