// What all faults have in common that are nothing but a Load: no undo record to speak of, nothing to revert once their
// processes or descriptors are closed. A fault derives from it and states info(), why_unavailable(), make_load(),
// acted().
#pragma once

#include "injectors/injector.hpp"

namespace grit {

class LoadInjector : public Injector {
 public:
  [[nodiscard]] Result<std::string> resolve_device(const Node&, const Params&) const override { return std::string(); }
  [[nodiscard]] std::string mechanism(const Node&, const Params&) const override { return info().mechanisms.front(); }
  [[nodiscard]] Result<Json> prepare(const Target&) const final { return Json::object(); }
  [[nodiscard]] Result<std::unique_ptr<Load>> make_load(const Target&, const Json& undo) const override = 0;
  // FaultWindows asks the load instead.
  [[nodiscard]] Status apply(const Target&, const Json&) const final { return internal_error("a load is started"); }
  [[nodiscard]] Result<Reading> read_back(const Json&) const final { return Reading{}; }
  [[nodiscard]] Result<Json> counters(const Json&) const final { return Json::object(); }
  /// The kernel ended it with the process that held it.
  [[nodiscard]] Status revert(const Json&) const final { return {}; }
  [[nodiscard]] Status check_undo(const Json& undo) const final {
    if (undo.is_object() && undo.empty()) return {};
    return usage_error("undo record of " + info().name + ": it must be empty");
  }
};

}  // namespace grit
