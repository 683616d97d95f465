#include "tests/fakes/cuda/script.hpp"

#include <sys/stat.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <limits>
#include <map>
#include <mutex>
#include <optional>
#include <sstream>
#include <thread>
#include <vector>

namespace grit::fake {
namespace {

constexpr long kForEver = std::numeric_limits<long>::max();

/// A line about calls of a function.
struct Order {
  std::string verb;
  std::string function;
  long first = 1;  // which of its calls
  long last = kForEver;
  double value = 1;
};

/// Of the file that was read: another one, or other text, has another.
struct Version {
  ino_t file = 0;
  std::int64_t time_ns = 0;
  bool operator==(const Version&) const = default;
};

struct State {
  Version version{};
  std::map<std::string, std::string> values{};
  std::vector<Order> orders{};
};

struct Script {
  std::mutex mutex{};
  State state{};
  std::map<std::string, long> calls{};
};

/// Never destroyed: streams' threads use it until the process ends.
Script& script() {
  static Script& one = *new Script;
  return one;
}

/// As the headers' users write it: without the "_v2" that a header's macro may add.
std::string plain_name(std::string function) {
  const auto version = function.rfind("_v");
  const bool is_versioned = version != std::string::npos && version + 3 == function.size();
  if (is_versioned && function.back() >= '0' && function.back() <= '9') function.resize(version);
  return function;
}

bool holds_here(const std::string& condition) {
  const auto equals = condition.find('=');
  const char* value = std::getenv(condition.substr(0, equals).c_str());
  return equals != std::string::npos && value != nullptr && condition.substr(equals + 1) == value;
}

Order order_of(const std::string& verb, std::istringstream& words) {
  Order order;
  order.verb = verb;
  words >> order.function;
  if (!(words >> order.value)) order.value = 1;
  if (const auto mark = order.function.find('#'); mark != std::string::npos) {
    order.first = std::strtol(order.function.c_str() + mark + 1, nullptr, 10);
    order.last = order.function.ends_with('+') ? kForEver : order.first;
    order.function.resize(mark);
  }
  order.function = plain_name(order.function);
  return order;
}

State read_state(const char* path, const Version& version) {
  State state{.version = version};
  std::ifstream lines(path);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string key, value;
    words >> key;
    if (key == "on") {
      words >> value >> key;
      if (!holds_here(value)) continue;
    }
    if (key == "return" || key == "hang" || key == "abort" || key == "delay" || key == "async" || key == "progress")
      state.orders.push_back(order_of(key, words));
    else if (words >> value)
      state.values[key] = value;
  }
  return state;
}

/// The file as it is now. The script's mutex is held.
const State& state_now(Script& one) {
  const char* path = std::getenv("GRIT_FAKE_CUDA");
  struct stat found {};
  if (path == nullptr || ::stat(path, &found) != 0) return one.state;
  const Version version{found.st_ino, found.st_mtim.tv_sec * std::int64_t{1'000'000'000} + found.st_mtim.tv_nsec};
  if (version != one.state.version) one.state = read_state(path, version);
  return one.state;
}

std::optional<std::string> value_of(const std::string& key) {
  Script& one = script();
  const std::lock_guard lock(one.mutex);
  const State& state = state_now(one);
  const auto value = state.values.find(key);
  if (value == state.values.end()) return std::nullopt;
  return value->second;
}

void sleep(double seconds) { std::this_thread::sleep_for(std::chrono::duration<double>(seconds)); }

}  // namespace

Call enter(const char* function) {
  Call call;
  double hang_s = 0;
  bool aborts = false;
  {
    Script& one = script();
    const std::lock_guard lock(one.mutex);
    const std::string name = plain_name(function);
    const long number = ++one.calls[name];
    for (const Order& order : state_now(one).orders) {
      if (order.function != name || number < order.first || number > order.last) continue;
      if (order.verb == "return") call.code = static_cast<int>(order.value);
      if (order.verb == "async") call.async_code = static_cast<int>(order.value);
      if (order.verb == "delay") call.delay_s = order.value;
      if (order.verb == "progress") call.progress_s = order.value;
      if (order.verb == "hang") hang_s = order.value;
      aborts |= order.verb == "abort";
    }
  }
  if (hang_s > 0) sleep(hang_s);
  if (aborts) std::abort();
  return call;
}

double number_of(const std::string& key, double otherwise) {
  const auto text = value_of(key);
  return text ? std::strtod(text->c_str(), nullptr) : otherwise;
}

std::string text_of(const std::string& key, const std::string& otherwise) { return value_of(key).value_or(otherwise); }

double number_of(int device, const char* key, double otherwise) {
  return number_of("gpu" + std::to_string(device) + "." + key, otherwise);
}

void keep_to(std::chrono::steady_clock::time_point start, double least_s) {
  if (least_s > 0)
    std::this_thread::sleep_until(
        start + std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::duration<double>(least_s)));
}

}  // namespace grit::fake
