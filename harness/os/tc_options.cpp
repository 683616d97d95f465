// The options of the qdiscs that faults put in place: tbf and netem.
#include <fmt/format.h>
#include <linux/pkt_sched.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numbers>

#include "harness/base/clock.hpp"
#include "harness/os/netlink_message.hpp"
#include "harness/os/tc.hpp"
#include "harness/os/tc_tree.hpp"

namespace grit {

using rtnl::Attributes;
using rtnl::Message;

namespace {

constexpr std::int64_t kBitsPerByte = 8;
constexpr std::int64_t kTick_ns = 64;  // PSCHED_SHIFT 6, include/net/pkt_sched.h; /proc/net/psched says the same
constexpr int kProbabilityMax_log2 = 32;
constexpr double kDistributionScale = 8192;              // NETEM_DIST_SCALE
constexpr std::int64_t kCutterLimit_bytes = 1 << 20;     // of a queue that netem's takes the place of
constexpr std::uint32_t kFirstQueueHandle = 0x68000000;  // 6801: and following, beside 6772: to 677f: of roots
constexpr int kDistributionSize = 4096;                  // as iproute2's tables; at most NETEM_DIST_MAX

template <class Struct>
std::string_view bytes_of(const Struct& value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

std::uint32_t clamp_u32(std::int64_t value) {
  return static_cast<std::uint32_t>(std::clamp<std::int64_t>(value, 0, UINT32_MAX));
}

/// A probability as netem draws for it: of 2^32.
std::uint32_t probability(double share) {
  return static_cast<std::uint32_t>(
      std::lround(std::clamp(share, 0.0, 1.0) * (std::ldexp(1.0, kProbabilityMax_log2) - 1)));
}
double share(std::uint32_t probability) { return probability / (std::ldexp(1.0, kProbabilityMax_log2) - 1); }

Message replace_message(int ifindex, std::uint32_t handle, std::uint32_t parent, const char* kind) {
  tcmsg header{};
  header.tcm_ifindex = ifindex;
  header.tcm_handle = handle;
  header.tcm_parent = parent;
  Message message(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_REPLACE);
  message.header(header).text(TCA_KIND, kind);
  return message;
}

Status send(nl_sock* socket, const Message& message, int ifindex, const char* kind) {
  if (auto done = rtnl::exchange(socket, message); !done)
    return Failure(rtnl::to_error(done.error(),
                                  fmt::format("cannot put {} in place of the qdisc of interface {}", kind, ifindex)));
  return {};
}

void put_netem_attributes(Message& options, const TcNetem& netem) {
  options.bytes(TCA_NETEM_LATENCY64, bytes_of(netem.delay_ns)).bytes(TCA_NETEM_JITTER64, bytes_of(netem.jitter_ns));
  const tc_netem_corr correlation{probability(netem.delay_correlation), 0, 0};
  options.bytes(TCA_NETEM_CORR, bytes_of(correlation));
  if (netem.reorder > 0) {
    const tc_netem_reorder reorder{probability(netem.reorder), probability(netem.reorder_correlation)};
    options.bytes(TCA_NETEM_REORDER, bytes_of(reorder));
  }
  if (!netem.distribution.empty())
    options.bytes(TCA_NETEM_DELAY_DIST, {reinterpret_cast<const char*>(netem.distribution.data()),
                                         netem.distribution.size() * sizeof(std::int16_t)});
  if (!netem.bursts) return;
  // loss_gilb_ell() in net/sched/sch_netem.c: h is the share that gets through in the bad state, k1 that lost in the
  // good one.
  const tc_netem_gemodel model{probability(netem.bursts->to_bad), probability(netem.bursts->to_good),
                               probability(1 - netem.bursts->loss_in_bad), probability(netem.bursts->loss_in_good)};
  options.nest(TCA_NETEM_LOSS | NLA_F_NESTED, [&](Message& loss) { loss.bytes(NETEM_LOSS_GE, bytes_of(model)); });
}

Json describe_tbf(const Attributes& options) {
  const auto given = rtnl::read_struct<tc_tbf_qopt>(options.bytes(TCA_TBF_PARMS));
  std::uint64_t rate_bytes_per_s = given.rate.rate;
  if (options.has(TCA_TBF_RATE64)) rate_bytes_per_s = rtnl::read_struct<std::uint64_t>(options.bytes(TCA_TBF_RATE64));
  const double burst_bytes = static_cast<double>(given.buffer) * kTick_ns * static_cast<double>(rate_bytes_per_s) /
                             static_cast<double>(kNsPerS);
  return Json{{"rate_bits_per_s", rate_bytes_per_s * kBitsPerByte},
              {"burst_bytes", std::llround(burst_bytes)},
              {"limit_bytes", given.limit}};
}

Json describe_netem(std::string_view all) {
  const auto given = rtnl::read_struct<tc_netem_qopt>(all);
  Json json{{"limit_packets", given.limit}, {"loss", share(given.loss)}};
  if (all.size() <= sizeof given) return json;
  const Attributes options(reinterpret_cast<const nlattr*>(all.data() + NLA_ALIGN(sizeof given)),
                           static_cast<int>(all.size() - NLA_ALIGN(sizeof given)));
  const auto ns = [&](int type, std::uint32_t ticks) {
    return options.has(type) ? rtnl::read_struct<std::int64_t>(options.bytes(type)) : ticks * kTick_ns;
  };
  json["delay_ns"] = ns(TCA_NETEM_LATENCY64, given.latency);
  json["jitter_ns"] = ns(TCA_NETEM_JITTER64, given.jitter);
  json["delay_correlation"] = share(rtnl::read_struct<tc_netem_corr>(options.bytes(TCA_NETEM_CORR)).delay_corr);
  json["reorder"] = share(rtnl::read_struct<tc_netem_reorder>(options.bytes(TCA_NETEM_REORDER)).probability);
  const std::string_view loss = options.bytes(TCA_NETEM_LOSS);
  const Attributes models(reinterpret_cast<const nlattr*>(loss.data()), static_cast<int>(loss.size()));
  if (!loss.empty() && models.has(NETEM_LOSS_GE)) {
    const auto model = rtnl::read_struct<tc_netem_gemodel>(models.bytes(NETEM_LOSS_GE));
    json["gemodel"] = Json{{"to_bad", share(model.p)},
                           {"to_good", share(model.r)},
                           {"loss_in_bad", 1 - share(model.h)},
                           {"loss_in_good", share(model.k1)}};
  }
  return json;
}

/// The quantile of the standard normal distribution, by bisection of its distribution function erfc(-x / sqrt 2) / 2.
double normal_quantile(double p) {
  double low = -10, high = 10;
  for (int i = 0; i < 60; ++i) {
    const double middle = (low + high) / 2;
    (std::erfc(-middle / std::numbers::sqrt2) / 2 < p ? low : high) = middle;
  }
  return low;
}

/// The quantile of Pareto's distribution of shape a = 3 and scale 1, less its mean a / (a - 1), over its standard
/// deviation sqrt(a / ((a - 1)^2 (a - 2))).
double pareto_quantile(double p) {
  constexpr double kShape = 3;
  const double mean = kShape / (kShape - 1);
  const double deviation = std::sqrt(kShape / ((kShape - 1) * (kShape - 1) * (kShape - 2)));
  return (std::pow(1 - p, -1 / kShape) - mean) / deviation;
}

}  // namespace

Status Tc::put_tbf(int ifindex, std::uint32_t handle, std::uint32_t parent, const TcTbf& tbf) {
  const std::uint64_t rate_bytes_per_s = static_cast<std::uint64_t>(tbf.rate_bits_per_s / kBitsPerByte);
  tc_tbf_qopt given{};
  given.limit = clamp_u32(tbf.limit_bytes);
  given.rate.rate = clamp_u32(static_cast<std::int64_t>(rate_bytes_per_s));
  given.rate.linklayer = TC_LINKLAYER_ETHERNET;  // says that there is no rate table, which only old kernels read
  const std::uint32_t burst_bytes = clamp_u32(tbf.burst_bytes);
  Message message = replace_message(ifindex, handle, parent, "tbf");
  message.nest(TCA_OPTIONS, [&](Message& options) {
    options.bytes(TCA_TBF_PARMS, bytes_of(given)).u32(TCA_TBF_BURST, burst_bytes);
    if (rate_bytes_per_s > UINT32_MAX) options.bytes(TCA_TBF_RATE64, bytes_of(rate_bytes_per_s));
  });
  return send(socket_.get(), message, ifindex, "tbf");
}

Status Tc::put_netem(int ifindex, std::uint32_t handle, std::uint32_t parent, const TcNetem& netem,
                     std::int64_t frame_bytes) {
  if (frame_bytes > 0) {
    const TcTbf cutter{
        .rate_bits_per_s = kNoLimit_bits_per_s, .burst_bytes = frame_bytes, .limit_bytes = kCutterLimit_bytes};
    GRIT_CHECK(put_tbf(ifindex, handle, parent, cutter));
    parent = handle | 1;  // its only class
    handle = 0;           // whichever is free
  }
  tc_netem_qopt given{};
  given.latency = clamp_u32(netem.delay_ns / kTick_ns);
  given.jitter = clamp_u32(netem.jitter_ns / kTick_ns);
  given.limit = clamp_u32(netem.limit_packets);
  given.loss = netem.bursts ? 0 : probability(netem.loss);
  given.gap = netem.reorder > 0 ? 1 : 0;
  Message message = replace_message(ifindex, handle, parent, "netem");
  message.nest(TCA_OPTIONS, [&](Message& options) {
    options.append(&given, sizeof given);
    put_netem_attributes(options, netem);
  });
  return send(socket_.get(), message, ifindex, "netem");
}

Status Tc::replace_root(int ifindex, std::uint32_t handle, const TcTbf& tbf) {
  return put_tbf(ifindex, handle, TC_H_ROOT, tbf);
}

Status Tc::replace_root(int ifindex, std::uint32_t handle, const TcNetem& netem, std::int64_t frame_bytes) {
  GRIT_TRY(const TcTree now, tree(ifindex));
  const std::uint32_t queues = now.queues();
  if (queues == 0) return put_netem(ifindex, handle, TC_H_ROOT, netem, frame_bytes);
  GRIT_CHECK(put_root(ifindex, {.kind = "mq", .handle = handle, .parent = TC_H_ROOT}));
  for (std::uint32_t queue = 1; queue <= queues; ++queue)
    GRIT_CHECK(put_netem(ifindex, kFirstQueueHandle + (queue << 16), handle | queue, netem, frame_bytes));
  return {};
}

Json describe_qdisc_options(const TcQdisc& qdisc) {
  if (qdisc.kind == "netem") return describe_netem(qdisc.options);
  if (qdisc.kind != "tbf") return {};
  return describe_tbf({reinterpret_cast<const nlattr*>(qdisc.options.data()), static_cast<int>(qdisc.options.size())});
}

std::vector<std::int16_t> netem_distribution(const std::string& name) {
  std::vector<std::int16_t> table;
  if (name == "uniform") return table;
  for (int i = 0; i < kDistributionSize; ++i) {
    const double p = (i + 0.5) / kDistributionSize;
    const double scaled = kDistributionScale * (name == "pareto" ? pareto_quantile(p) : normal_quantile(p));
    table.push_back(static_cast<std::int16_t>(std::lround(std::clamp(scaled, double{INT16_MIN}, double{INT16_MAX}))));
  }
  return table;
}

}  // namespace grit
