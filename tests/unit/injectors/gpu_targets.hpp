// What gpu_throttle acts on in tests: a node's two ranks, each on one of the two GPUs of tests/fakes/nvml.
#pragma once

#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <functional>
#include <string>

#include "harness/os/pci_link.hpp"
#include "harness/record/segment.hpp"
#include "injectors/faults.hpp"
#include "injectors/gpu_limits.hpp"
#include "tests/catch.hpp"
#include "tests/namespace.hpp"

namespace grit::test {

/// Both are busy; the second one's power limit is a site's own.
inline const std::string kBusyGpus =
    "gpus 2\n"
    "gpu0.sm_mhz 1980\ngpu0.max_mhz 1980\ngpu0.reasons 0\ngpu0.used_percent 99\n"
    "gpu0.limit_mw 700000\ngpu0.default_limit_mw 700000\ngpu0.lowest_mw 200000\ngpu0.capped_below_mw 600000\n"
    "gpu1.sm_mhz 1980\ngpu1.max_mhz 1980\ngpu1.reasons 0\ngpu1.used_percent 99\n"
    "gpu1.limit_mw 649777\ngpu1.default_limit_mw 700000\ngpu1.lowest_mw 200000\ngpu1.capped_below_mw 600000\n";

/// Each on its GPU, as often as this is called.
inline NodeRanks gpu_ranks() {
  static const Segment segment = ok(Segment::create(2));
  NodeRanks ranks{.control = &segment.control()};
  for (RankSlot& slot : segment.slots()) {
    slot.gpu.store(pci_number(fmt::format("0000:0{}:00.0", ranks.all.size())));  // the fake's addresses
    ranks.all.push_back({.slot = &slot});
  }
  return ranks;
}

/// The same ranks under other parameters.
inline Target gpu_with(Target target, Json given) {
  if (!given.contains("mechanism")) given["mechanism"] = target.params.json().value("mechanism", kGpuClocks);
  target.params = Params(ok(complete_params(gpu_throttle().info().params, std::move(given))));
  return target;
}
inline Target gpu_target(Json given) {
  Target target;
  target.ranks = gpu_ranks();
  return gpu_with(std::move(target), std::move(given));
}
inline Target gpu_clocks(Json more = Json::object()) {
  more["mechanism"] = kGpuClocks;
  return gpu_target(std::move(more));
}
inline Target gpu_power(Json more = Json::object()) {
  more["mechanism"] = kGpuPower;
  return gpu_target(std::move(more));
}

/// The undo record of an agent that was killed after it had done this with its fault.
inline Json record_of_killed(const Target& target, const std::function<void(Fault&)>& work) {
  int line[2];
  REQUIRE(::pipe(line) == 0);
  const pid_t agent = ::fork();
  if (agent == 0) {
    const auto made = gpu_throttle().prepare(target);
    const std::string undo = made ? json_text(made->undo) : "";
    const bool told = ::write(line[1], undo.data(), undo.size()) == static_cast<ssize_t>(undo.size());
    if (made && told) work(*made->fault);
    ::kill(::getpid(), SIGKILL);
  }
  ::close(line[1]);
  REQUIRE(::waitpid(agent, nullptr, 0) == agent);
  std::string text(64 << 10, '\0');
  const ssize_t got = ::read(line[0], text.data(), text.size());
  ::close(line[0]);
  REQUIRE(got > 0);
  return ok(parse_json(text.substr(0, static_cast<std::size_t>(got))));
}

}  // namespace grit::test
