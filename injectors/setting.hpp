// What all faults have in common that change a setting and put it back: a snapshot of what there was, which is the undo
// record, and nothing that lives in the agent. A fault derives from it and states info(), acted() and the functions
// below.
#pragma once

#include <utility>

#include "injectors/injector.hpp"

namespace grit {

/// Undo: what there was before and what it is set to, with everything else that read() and restore() need. A function
/// `Json to_json(const Undo&)` beside it.
template <class Undo>
class SettingInjector : public Injector {
 public:
  [[nodiscard]] Result<Prepared> prepare(const Target& target) const override {
    GRIT_TRY(Undo undo, snapshot(target));
    Json record = to_json(undo);
    GRIT_TRY(auto fault, make_fault(target, std::move(undo)));
    return Prepared{std::move(record), std::move(fault)};
  }
  [[nodiscard]] Result<Reverted> revert(const Json& record) const final {
    GRIT_TRY(const Undo undo, parse(record));
    return restore(undo);
  }
  [[nodiscard]] Status check_undo(const Json& record) const final {
    const auto undo = parse(record);
    return undo ? Status{} : tl::make_unexpected(undo.error());
  }

 protected:
  /// Error (unavailable): it cannot work here, in words and with what would help.
  [[nodiscard]] virtual Result<Undo> snapshot(const Target& target) const = 0;
  /// Closed set of keys, types and ranges; error (usage): what is wrong.
  [[nodiscard]] virtual Result<Undo> parse(const Json& record) const = 0;
  /// Puts the fault in force.
  [[nodiscard]] virtual Status set(const Target& target, const Undo& undo) const = 0;
  [[nodiscard]] virtual Result<Reading> read(const Target& target, const Undo& undo) const = 0;
  [[nodiscard]] virtual Result<Json> counters(const Target&, const Undo&) const { return Json::object(); }
  /// Injector::revert(), typed.
  [[nodiscard]] virtual Result<Reverted> restore(const Undo& undo) const = 0;
  /// The way back of the running fault: the same one, unless the target knows a shorter.
  [[nodiscard]] virtual Result<Reverted> take_off(const Target&, const Undo& undo) const { return restore(undo); }
  [[nodiscard]] virtual Result<std::unique_ptr<Witness>> witness(const Undo&) const { return nullptr; }
  [[nodiscard]] virtual std::int64_t patience_ns(const Undo&) const { return 0; }
  /// For a fault that keeps something while it runs.
  [[nodiscard]] virtual Result<std::unique_ptr<Fault>> make_fault(const Target& target, Undo undo) const {
    return std::make_unique<Running>(*this, target, std::move(undo));
  }

  /// The setting as a fault of one window.
  class Running : public Fault {
   public:
    Running(const SettingInjector& setting, Target target, Undo undo)
        : setting_(setting), target_(std::move(target)), undo_(std::move(undo)) {}
    Status start() override { return setting_.set(target_, undo_); }
    Status stop() override {
      const auto reverted = setting_.take_off(target_, undo_);
      return reverted ? Status{} : tl::make_unexpected(reverted.error());
    }
    Result<Reading> read() override { return setting_.read(target_, undo_); }
    Result<Json> counters() override { return setting_.counters(target_, undo_); }
    Result<std::unique_ptr<Witness>> witness() override { return setting_.witness(undo_); }
    [[nodiscard]] std::int64_t patience_ns() const override { return setting_.patience_ns(undo_); }

   protected:
    const SettingInjector& setting_;
    const Target target_;
    const Undo undo_;
  };
};

}  // namespace grit
