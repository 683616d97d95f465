// One of every operation of a communicator at the same time, with the check of what came of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "tests/catch.hpp"
#include "tests/span_ring.hpp"
#include "workloads/data_pattern.hpp"
#include "workloads/fabric/mpi.hpp"

namespace grit::test {

/// The communicator of all ranks, and the spans of this one.
struct World : SpanRing {
  explicit World(std::size_t largest_count = std::size_t{1} << 30) {
    auto made = make_mpi_communicator(MPI_COMM_WORLD, {.spans = &spans, .largest_count = largest_count});
    REQUIRE(made);
    communicator = std::move(*made);
  }

  std::unique_ptr<Communicator> communicator;
};

/// What of one operation a rank has.
struct Exchange {
  std::vector<std::byte> sent;      // empty: in place
  std::vector<std::byte> received;  // in place: sent as well
  OperationHandle handle;
};

/// In the order in which they are begun; of bytes only from all_gather on.
enum Kind {
  reduce,
  reduce_in_place,
  scatter,
  scatter_in_place,
  gather,
  gather_in_place,
  to_all,
  to_next,
  from_previous
};

class AllOperations {
 public:
  AllOperations(Communicator& communicator, DataType type, std::size_t count)
      : communicator_(communicator),
        type_(type),
        count_(count),
        ranks_(static_cast<std::size_t>(communicator.size())),
        rank_(static_cast<std::size_t>(communicator.rank())),
        sums_(type, communicator.group().id, communicator.rank(), communicator.size()),
        copies_(type, communicator.group().id, communicator.size()) {
    make(reduce, count, count);
    make(reduce_in_place, 0, count);
    make(scatter, count * ranks_, count);
    make(scatter_in_place, 0, count * ranks_);
    make(gather, count, count * ranks_);
    make(gather_in_place, 0, count * ranks_);
    make(to_next, count, 0);
    make(from_previous, 0, count);
    std::size_t sent = 0, received = 0;
    for (std::size_t peer = 0; peer < ranks_; ++peer) {
      send_counts_.push_back(part(rank_, peer));
      receive_counts_.push_back(part(peer, rank_));
      sent += send_counts_.back(), received += receive_counts_.back();
    }
    make(to_all, sent, received);
  }

  /// What `source` sends to `destination` in the all-to-all: uneven, and nothing for one rank in three.
  [[nodiscard]] std::size_t part(std::size_t source, std::size_t destination) const {
    return count_ * ((source + 2 * destination) % 3);
  }

  Exchange& of(Kind kind) { return exchanges_[kind]; }

  /// Fills every buffer with this step's pattern.
  void fill(std::uint64_t step) {
    sums_.begin_step(step);
    copies_.begin_step(step);
    sums_.fill(of(reduce).sent.data(), first(reduce), count_);
    sums_.fill(of(reduce_in_place).received.data(), first(reduce_in_place), count_);
    sums_.fill(of(scatter).sent.data(), first(scatter), count_ * ranks_);
    sums_.fill(of(scatter_in_place).received.data(), first(scatter_in_place), count_ * ranks_);
    copies_.fill(of(gather).sent.data(), own(), 0, first(gather), count_);
    copies_.fill(at(of(gather_in_place).received, rank_ * count_), own(), 0, first(gather_in_place), count_);
    std::size_t done = 0;
    for (std::size_t peer = 0; peer < ranks_; done += part(rank_, peer), ++peer)
      copies_.fill(at(of(to_all).sent, done), own(), static_cast<int>(peer), first(to_all), part(rank_, peer));
    copies_.fill(of(to_next).sent.data(), own(), next(), first(to_next), count_);
  }

  void begin() {
    Communicator& all = communicator_;
    std::byte* in_place = of(reduce_in_place).received.data();
    std::byte* scattered = of(scatter_in_place).received.data();
    std::byte* gathered = of(gather_in_place).received.data();
    if (type_ != DataType::bytes) {
      begun(reduce, all.all_reduce(of(reduce).sent.data(), of(reduce).received.data(), count_, type_));
      begun(reduce_in_place, all.all_reduce(in_place, in_place, count_, type_));
      begun(scatter, all.reduce_scatter(of(scatter).sent.data(), of(scatter).received.data(), count_, type_));
      begun(scatter_in_place,
            all.reduce_scatter(scattered, at(of(scatter_in_place).received, rank_ * count_), count_, type_));
    }
    begun(gather, all.all_gather(of(gather).sent.data(), of(gather).received.data(), count_, type_));
    begun(gather_in_place, all.all_gather(at(of(gather_in_place).received, rank_ * count_), gathered, count_, type_));
    begun(to_all,
          all.all_to_all(of(to_all).sent.data(), send_counts_, of(to_all).received.data(), receive_counts_, type_));
    begun(to_next, all.send(of(to_next).sent.data(), count_, type_, next()));
    begun(from_previous, all.receive(of(from_previous).received.data(), count_, type_, previous()));
  }

  /// Values that arrived wrong, by kind; into the spans, too. After waiting.
  std::vector<std::uint64_t> check() {
    std::vector<std::uint64_t> wrong(from_previous + 1);
    if (type_ != DataType::bytes) {
      wrong[reduce] = sums_.count_wrong(of(reduce).received.data(), first(reduce), count_);
      wrong[reduce_in_place] = sums_.count_wrong(of(reduce_in_place).received.data(), first(reduce_in_place), count_);
      wrong[scatter] = sums_.count_wrong(of(scatter).received.data(), first(scatter) + rank_ * count_, count_);
      wrong[scatter_in_place] = sums_.count_wrong(at(of(scatter_in_place).received, rank_ * count_),
                                                  first(scatter_in_place) + rank_ * count_, count_);
    }
    std::size_t done = 0;
    for (std::size_t peer = 0; peer < ranks_; done += part(peer, rank_), ++peer) {
      const int source = static_cast<int>(peer);
      for (const Kind kind : {gather, gather_in_place})
        wrong[kind] += copies_.count_wrong(at(of(kind).received, peer * count_), source, 0, first(kind), count_);
      wrong[to_all] +=
          copies_.count_wrong(at(of(to_all).received, done), source, own(), first(to_all), part(peer, rank_));
    }
    wrong[from_previous] =
        copies_.count_wrong(of(from_previous).received.data(), previous(), own(), first(to_next), count_);
    for (const Kind kind :
         {reduce, reduce_in_place, scatter, scatter_in_place, gather, gather_in_place, to_all, to_next, from_previous})
      communicator_.add_wrong(of(kind).handle, wrong[kind]);
    return wrong;
  }

 private:
  /// Operations of a step begin at different elements.
  static std::size_t first(Kind kind) { return 1'000'003 * static_cast<std::size_t>(kind); }

  [[nodiscard]] int own() const { return static_cast<int>(rank_); }
  [[nodiscard]] int next() const { return static_cast<int>((rank_ + 1) % ranks_); }
  [[nodiscard]] int previous() const { return static_cast<int>((rank_ + ranks_ - 1) % ranks_); }
  [[nodiscard]] std::byte* at(std::vector<std::byte>& buffer, std::size_t element) const {
    return buffer.data() + element * bytes_per_element(type_);
  }

  void make(Kind kind, std::size_t sent, std::size_t received) {
    of(kind).sent.assign(sent * bytes_per_element(type_), std::byte{0});
    of(kind).received.assign(received * bytes_per_element(type_), std::byte{0});
  }

  void begun(Kind kind, const Result<OperationHandle>& handle) {
    REQUIRE(handle);
    of(kind).handle = *handle;
  }

  Communicator& communicator_;
  DataType type_;
  std::size_t count_;
  std::size_t ranks_;
  std::size_t rank_;
  SumPattern sums_;
  CopyPattern copies_;
  std::vector<Exchange> exchanges_ = std::vector<Exchange>(from_previous + 1);
  std::vector<std::size_t> send_counts_;
  std::vector<std::size_t> receive_counts_;
};

inline std::uint64_t total(const std::vector<std::uint64_t>& numbers) {
  std::uint64_t sum = 0;
  for (const std::uint64_t number : numbers) sum += number;
  return sum;
}

}  // namespace grit::test
