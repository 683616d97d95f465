#include "harness/health/checks/counter_window.hpp"

#include <fmt/format.h>

#include "harness/base/clock.hpp"

namespace grit {
namespace {

constexpr std::int64_t kLeastWindow_ns = kNsPerS / 2;

struct Anchor {
  std::int64_t at_ns = 0;
  std::vector<std::int64_t> counters{};
};

std::string name_of(const std::string& name, std::string_view which, std::size_t i) {
  return fmt::format("{} {} {}", name, which, i);
}

std::optional<Anchor> find_anchor(const CheckMemory& memory, const std::string& name, std::string_view which,
                                  std::size_t count) {
  const auto at_ns = memory.find(fmt::format("{} {}", name, which));
  if (!at_ns) return std::nullopt;
  Anchor anchor{.at_ns = *at_ns};
  for (std::size_t i = 0; i < count; ++i) {
    const auto counter = memory.find(name_of(name, which, i));
    if (!counter) return std::nullopt;
    anchor.counters.push_back(*counter);
  }
  return anchor;
}

void keep_anchor(CheckMemory& memory, const std::string& name, std::string_view which, const Anchor& anchor) {
  memory.keep(fmt::format("{} {}", name, which), anchor.at_ns);
  for (std::size_t i = 0; i < anchor.counters.size(); ++i) memory.keep(name_of(name, which, i), anchor.counters[i]);
}

constexpr std::string_view kNewest = "newest", kOlder = "older";

}  // namespace

ParamSpec window_param(std::int64_t default_ns) {
  return {"window",
          Unit::time_ns,
          default_ns,
          "what is judged: at least so long (grit's own choice)",
          {},
          static_cast<double>(kLeastWindow_ns),
          600.0 * kNsPerS};
}

std::optional<CounterWindow> counter_window(CheckMemory& memory, const std::string& name,
                                            const std::vector<std::int64_t>& counters, std::int64_t window_ns) {
  const Anchor now{.at_ns = memory.now_ns(), .counters = counters};
  const auto newest = find_anchor(memory, name, kNewest, counters.size());
  bool starts_anew = !newest;
  for (std::size_t i = 0; !starts_anew && i < counters.size(); ++i) starts_anew = counters[i] < newest->counters[i];
  if (starts_anew) {
    keep_anchor(memory, name, kNewest, now);
    memory.forget(fmt::format("{} {}", name, kOlder));
    return std::nullopt;
  }
  const auto older = find_anchor(memory, name, kOlder, counters.size());
  const bool is_long = now.at_ns - newest->at_ns >= window_ns;
  const Anchor& from = is_long || !older ? *newest : *older;
  if (is_long) {
    keep_anchor(memory, name, kOlder, *newest);
    keep_anchor(memory, name, kNewest, now);
  }
  CounterWindow window{.elapsed_ns = now.at_ns - from.at_ns};
  if (window.elapsed_ns < kLeastWindow_ns) return std::nullopt;
  for (std::size_t i = 0; i < counters.size(); ++i) window.grown.push_back(counters[i] - from.counters[i]);
  return window;
}

std::int64_t held_ns(CheckMemory& memory, const std::string& name, bool is_so) {
  const std::string key = name + " since";
  if (!is_so) {
    memory.forget(key);
    return 0;
  }
  const auto since_ns = memory.find(key);
  if (!since_ns) memory.keep(key, memory.now_ns());
  return memory.now_ns() - since_ns.value_or(memory.now_ns());
}

}  // namespace grit
