// link_rate: what a network interface may send is limited to a rate, as on a slower link or one that is shared.
//
// A token bucket (tc-tbf(8)) takes the place of the interface's qdiscs, which come back exactly as they were. Packets
// that wait in them when the one replaces the other are lost, as on a link that is switched over.
#include <algorithm>

#include "harness/base/clock.hpp"
#include "injectors/faults.hpp"
#include "injectors/nic.hpp"
#include "injectors/root_qdisc.hpp"

namespace grit {
namespace {

constexpr std::int64_t kBitsPerByte = 8;
constexpr std::int64_t kMaxQdisc_bytes = UINT32_MAX;

/// Bytes at the rate in a time.
std::int64_t bytes_in(std::int64_t rate_bits_per_s, std::int64_t time_ns) {
  const double bytes = static_cast<double>(rate_bits_per_s) / kBitsPerByte * static_cast<double>(time_ns) / kNsPerS;
  return static_cast<std::int64_t>(std::min(bytes, static_cast<double>(kMaxQdisc_bytes)));
}

TcTbf bucket_of(const Link& link, const Params& params) {
  constexpr std::int64_t kDefaultBurst_ns = kNsPerMs;
  TcTbf tbf;
  tbf.rate_bits_per_s = params.integer("rate");
  // A frame that is larger than the bucket is never sent (sch_tbf.c drops it), so two of the largest always fit.
  const std::int64_t frames_bytes = 2 * largest_frame_bytes(link);
  const std::int64_t asked_bytes = params.integer("burst");
  tbf.burst_bytes =
      std::max(frames_bytes, asked_bytes != 0 ? asked_bytes : bytes_in(tbf.rate_bits_per_s, kDefaultBurst_ns));
  // As tc-tbf(8) turns `latency` into `limit`: what waits so long at this rate, and a bucket full.
  tbf.limit_bytes =
      std::min(kMaxQdisc_bytes, bytes_in(tbf.rate_bits_per_s, params.integer("latency")) + tbf.burst_bytes);
  return tbf;
}

class LinkRate final : public RootQdiscInjector {
 public:
  [[nodiscard]] const InjectorInfo& info() const override {
    static const InjectorInfo info{
        .name = "link_rate",
        .summary = "A network interface sends no faster than a given rate",
        .params = {fault_nic_param(),
                   {"rate",
                    Unit::bits_per_s,
                    1'000'000'000,
                    "what it may send, in frames without preamble, checksum and gap",
                    {},
                    8000.0,
                    {}},
                   {"burst",
                    Unit::bytes,
                    0,
                    "what goes out at once after a silence; 0: 1 ms at the rate, and two frames at least",
                    {},
                    0.0,
                    static_cast<double>(kMaxQdisc_bytes)},
                   {"latency",
                    Unit::time_ns,
                    50 * kNsPerMs,
                    "how long a packet may wait; those that would wait longer are dropped",
                    {},
                    0.0,
                    60.0 * kNsPerS}},
        .mechanisms = {"tbf"},
        .needs = {"CAP_NET_ADMIN in the node's network namespace", "a kernel with sch_tbf"},
        .touches = {kRootQdisc},
        .undo = UndoClass::persistent,
        .takes_nic = true};
    return info;
  }

  /// A packet had to wait for its turn, or found no room to wait.
  [[nodiscard]] bool acted(const Json& before, const Json& after) const override {
    return grew(before, after, "overlimits") || grew(before, after, "drops");
  }

 protected:
  [[nodiscard]] std::string kind() const override { return "tbf"; }
  [[nodiscard]] std::uint32_t handle() const override { return root_handle::kRate; }
  [[nodiscard]] Status install(Tc& tc, const Link& link, std::uint32_t handle, const Params& params,
                               QdiscDose dose) const override {
    TcTbf bucket = bucket_of(link, params);
    if (dose == QdiscDose::none) bucket.rate_bits_per_s = kNoLimit_bits_per_s;
    return tc.replace_root(link.ifindex, handle, bucket);
  }
};

}  // namespace

const Injector& link_rate() {
  static const LinkRate injector;
  return injector;
}

}  // namespace grit
