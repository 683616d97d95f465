// What a check has read, for its next reading.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "harness/base/json.hpp"

namespace grit {

/// Figures by names of the check's own: "eth0 rx_crc_errors". Emptied when a block begins; `grit check --state` keeps
/// it from call to call.
class CheckMemory {
 public:
  /// A reading begins; what was kept before is its predecessor's.
  void begin(std::int64_t now_ns);

  [[nodiscard]] std::int64_t now_ns() const { return now_ns_; }
  /// Since the last reading; empty at the first one.
  [[nodiscard]] std::optional<std::int64_t> elapsed_ns() const;
  [[nodiscard]] bool is_first() const { return !last_ns_; }

  /// By how much a counter grew since the last reading. Empty where that had none of this name, and when it is smaller
  /// than then: it was started anew (a driver that was loaded again), and how much it lost is not known.
  std::optional<std::int64_t> growth(const std::string& counter, std::int64_t now);

  [[nodiscard]] std::optional<std::int64_t> find(const std::string& name) const;
  void keep(const std::string& name, std::int64_t value) { figures_[name] = value; }
  void forget(const std::string& name) { figures_.erase(name); }
  void forget_all() { figures_.clear(); }
  void clear() { *this = {}; }
  /// The reading could not be made: the last one that could is still the last.
  void undo_begin() { read_ns_ = last_ns_; }
  /// Nothing was kept: a second reading would say no more than the first.
  [[nodiscard]] bool is_empty() const { return figures_.empty(); }

  [[nodiscard]] Json to_json() const;
  /// What is not as to_json() writes it is left out.
  static CheckMemory from_json(const Json& json);

 private:
  std::map<std::string, std::int64_t> figures_{};
  std::int64_t now_ns_ = 0;
  std::optional<std::int64_t> last_ns_{}, read_ns_{};
};

}  // namespace grit
