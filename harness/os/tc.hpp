// Traffic control of one interface over rtnetlink(7): its whole tree of queueing disciplines, classes and filters, kept
// and put back, and a root of our own in its place (tc(8), linux/pkt_sched.h, linux/pkt_cls.h).
//
// Options are kept as the kernel's own bytes: nobody has to know them all to put them back. What the kernel does not
// show (a table, a program), or shows in another form than it takes, cannot be put back; why_not_restorable() says so
// beforehand. The ingress and clsact hooks are no part of the tree: replacing the root leaves them alone.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "harness/base/json.hpp"
#include "harness/base/result.hpp"

struct nl_sock;

namespace grit {

struct TcQdisc {
  std::string kind{};
  std::uint32_t handle = 0;  // 0: the kernel's default, made by nobody
  std::uint32_t parent = 0;  // TC_H_ROOT, or a class
  std::string options{};     // TCA_OPTIONS
  bool operator==(const TcQdisc&) const = default;
};

struct TcClass {
  std::string kind{};
  std::uint32_t handle = 0;
  std::uint32_t parent = 0;  // a class, or TC_H_ROOT: the qdisc itself
  std::string options{};
  bool operator==(const TcClass&) const = default;
};

struct TcFilter {
  std::string kind{};
  std::uint32_t handle = 0;
  std::uint32_t parent = 0;  // the qdisc or class that asks it
  std::uint32_t info = 0;    // priority << 16 | protocol
  std::string options{};
  bool operator==(const TcFilter&) const = default;
};

struct TcTree {
  std::vector<TcQdisc> qdiscs{};  // the root first
  std::vector<TcClass> classes{};
  std::vector<TcFilter> filters{};
  std::string unsupported{};  // what of it the fields above do not hold: "a size table on qdisc htb 1:"; not in JSON

  [[nodiscard]] const TcQdisc* root() const;
  /// How many queues its root serves by a qdisc of their own each (mq); 0: it is no such root.
  [[nodiscard]] std::uint32_t queues() const;
};

/// What a qdisc has counted since it was made (TCA_STATS2).
struct TcCounters {
  std::int64_t sent_bytes = 0;  // taken off its queue
  std::int64_t sent_packets = 0;
  std::int64_t drops = 0;
  std::int64_t overlimits = 0;  // how often a packet had to wait because of the rate
  std::int64_t backlog_bytes = 0;
};

struct TcRoot {
  TcQdisc qdisc{};
  TcCounters counters{};
};

/// One qdisc of some interface, without its options.
struct TcCounted {
  int ifindex = 0;
  std::string kind{};
  std::uint32_t handle = 0;
  std::uint32_t parent = 0;  // TC_H_ROOT, TC_H_INGRESS or a class
  TcCounters counters{};
};

/// A rate of a token bucket that limits nothing, and in which 1500 bytes still take 12 of the nanoseconds it counts in.
constexpr std::int64_t kNoLimit_bits_per_s = 1'000'000'000'000;

/// A token bucket, tc-tbf(8).
struct TcTbf {
  std::int64_t rate_bits_per_s = 0;
  std::int64_t burst_bytes = 0;  // at least a whole frame; sent at once after a silence
  std::int64_t limit_bytes = 0;  // what may wait; what comes on top is dropped
};

/// Delay and loss, tc-netem(8). Shares are 0 to 1.
struct TcNetem {
  std::int64_t delay_ns = 0;
  std::int64_t jitter_ns = 0;
  double delay_correlation = 0;
  std::vector<std::int16_t> distribution{};  // quantiles in 1/8192 of the jitter; empty: uniform
  double reorder = 0;                        // share of packets that are not delayed
  double reorder_correlation = 0;
  double loss = 0;
  /// Gilbert-Elliott (gemodel) instead of `loss`: from good to bad, from bad to good, loss in bad and in good.
  struct Bursts {
    double to_bad = 0, to_good = 0, loss_in_bad = 1, loss_in_good = 0;
  };
  std::optional<Bursts> bursts{};
  std::int64_t limit_packets = 1000;
};

/// One rtnetlink socket in the network namespace of the thread that opened it. Errors of changes: unavailable when
/// CAP_NET_ADMIN is missing, internal otherwise, with the kernel's reason.
class Tc {
 public:
  static Result<Tc> open();

  [[nodiscard]] Result<TcTree> tree(int ifindex);
  /// Empty: the interface has none (it was never up).
  [[nodiscard]] Result<std::optional<TcRoot>> root(int ifindex);
  /// Every qdisc of every interface of this network namespace, in one question.
  [[nodiscard]] Result<std::vector<TcCounted>> counted();

  /// Puts a root in the place of the one there is, in one step.
  Status replace_root(int ifindex, std::uint32_t handle, const TcTbf& tbf);
  /// The same, but where the root is mq, one for each queue under an mq of ours, so that the queues still do not wait
  /// for each other. frame_bytes > 0: what the kernel hands over at once (up to 64 KiB of a TCP stream, to be cut by
  /// the NIC) is cut to frames of at most that size before, so that netem draws for each packet of the wire. The
  /// cutting is done by a token bucket whose rate limits nothing: it cuts what is larger than itself.
  Status replace_root(int ifindex, std::uint32_t handle, const TcNetem& netem, std::int64_t frame_bytes = 0);
  /// The kernel then makes its default.
  Status delete_root(int ifindex);
  /// Makes the tree what `saved` says: replaces the root when it has the handle `ours`, and adds what is missing when
  /// the root is `saved`'s or the kernel's default (an earlier restore() was cut short). Any other root was put there
  /// by somebody else meanwhile: left alone. The kernel's defaults (handle 0) are compared by kind. Idempotent. Error
  /// (internal): names every difference that remains.
  Status restore(int ifindex, const TcTree& saved, std::uint32_t ours);

  /// Why the kernel does not take a qdisc of this kind on that interface ("this kernel has no sch_netem"); nothing when
  /// it does. Asks it for one with options that it refuses, so that none is made.
  [[nodiscard]] std::optional<std::string> why_not(int ifindex, const std::string& kind);

 private:
  struct SocketDeleter {
    void operator()(nl_sock* socket) const;
  };
  explicit Tc(nl_sock* socket) : socket_(socket) {}
  Status read_qdiscs(int ifindex, TcTree& tree);
  Status read_classes(int ifindex, TcTree& tree);
  Status read_filters(int ifindex, std::uint32_t parent, TcTree& tree);
  Status put_root(int ifindex, const TcQdisc& root);
  Status put_netem(int ifindex, std::uint32_t handle, std::uint32_t parent, const TcNetem& netem,
                   std::int64_t frame_bytes);
  Status put_tbf(int ifindex, std::uint32_t handle, std::uint32_t parent, const TcTbf& tbf);
  Status put(int ifindex, const TcQdisc& qdisc);
  Status put(int ifindex, const TcClass& one);
  Status put(int ifindex, const TcFilter& filter);
  Status put_missing(int ifindex, const TcTree& saved, const TcTree& now);

  std::unique_ptr<nl_sock, SocketDeleter> socket_;
};

/// Why this tree could not be put back exactly, with what it is and what to do; nothing when it can.
std::optional<std::string> why_not_restorable(const TcTree& tree);
/// Kinds that the kernel shows in the form in which it takes them.
bool is_restorable_qdisc(const std::string& kind);
bool is_restorable_filter(const std::string& kind);
/// What `now` lacks or has besides, one line each. Counters within options do not count.
std::vector<std::string> tc_differences(const TcTree& saved, const TcTree& now);

/// The rate, burst and limit of a tbf, or the delay, jitter, loss ... of a netem, as its options say. Null: it is
/// neither.
Json describe_qdisc_options(const TcQdisc& qdisc);

Json to_json(const TcTree& tree);
/// From a file, which may have been tampered with: closed sets of keys, kinds and ranges, options that are whole
/// attributes. Error (usage): what is wrong.
Result<TcTree> tc_tree_from_json(const Json& json);

/// 8192 times the quantiles of a distribution of mean 0 and standard deviation 1, for TcNetem::distribution: "normal"
/// or "pareto" (shape 3, as iproute2's table). Empty: "uniform", which netem does by itself.
std::vector<std::int16_t> netem_distribution(const std::string& name);

}  // namespace grit
