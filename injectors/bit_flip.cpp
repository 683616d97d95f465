// bit_flip: silent data corruption. In some steps a bit of one element of a rank's gradients flips right before they
// are reduced, as in a failing memory, cache or arithmetic unit of one node: nothing fails, and the sums of all ranks
// are wrong.
#include <fmt/format.h>

#include <array>
#include <charconv>
#include <optional>
#include <utility>

#include "harness/base/shortened.hpp"
#include "harness/model/data_type.hpp"
#include "injectors/faults.hpp"
#include "injectors/rank_dial.hpp"

namespace grit {
namespace {

constexpr std::array kNamedBits{std::pair{"sign", kFlipSign}, std::pair{"exponent", kFlipExponent},
                                std::pair{"mantissa", kFlipMantissa}, std::pair{"any", kFlipAny}};
constexpr int kMostBits = 32;

/// The dial's value. Nothing: neither a name nor a bit's number.
std::optional<std::int64_t> dial_of(const std::string& bit) {
  for (const auto& [name, value] : kNamedBits)
    if (bit == name) return value;
  int number = -1;
  const auto [end, error] = std::from_chars(bit.data(), bit.data() + bit.size(), number);
  if (error != std::errc() || end != bit.data() + bit.size() || number < 0 || number >= kMostBits) return std::nullopt;
  return number;
}

class BitFlip final : public RankDialInjector {
 public:
  [[nodiscard]] const InjectorInfo& info() const override {
    static const InjectorInfo info{
        .name = "bit_flip",
        .summary = "A bit of a rank's gradients flips before they are reduced",
        .params = {rank_param("0"),
                   {.name = "bit",
                    .unit = Unit::text,
                    .default_value = "mantissa",
                    .help = "which bit of the element: counted from 0, the lowest; \"mantissa\": its highest bit, "
                            "\"exponent\": its lowest bit, \"sign\"; \"any\": another one in each step"},
                   {.name = "every_steps",
                    .unit = Unit::count,
                    .default_value = 1,
                    .help = "in every so many-th step",
                    .min = 1.0},
                   {.name = "seed",
                    .unit = Unit::count,
                    .default_value = 1,
                    .help = "chooses the element, another one in each step",
                    .min = 0.0}},
        .mechanisms = {"workload"},
        .needs = {"a rank of this run on the node"},
        .touches = {"the gradients of the ranks"},
        .rank_by_rank = true,
        .undo = UndoClass::persistent,
        .corrupts_data = true};
    return info;
  }

  [[nodiscard]] Result<std::string> resolve_device(const Node&, const Params& params) const override {
    const std::string bit = params.text("bit");
    if (!dial_of(bit))
      return usage_error(
          fmt::format("bit = \"{}\": it is a number from 0 to {}, or one of sign, exponent, mantissa, any",
                      shortened(bit), kMostBits - 1));
    return std::string();
  }

  [[nodiscard]] Status suits(const WorkloadTraits& workload, const Params& params) const override {
    const auto type = workload.params.find("dtype");
    if (type == workload.params.end()) return {};  // it has one type of its own
    const bool wide = *type == data_type_name(DataType::fp32);
    const std::int64_t bits = wide ? 32 : 16;
    if (dial_of(params.text("bit")).value_or(kFlipAny) < bits) return {};
    return usage_error(fmt::format("bit = \"{}\": gradients of {} have the bits 0 to {}", params.text("bit"),
                                   type->get<std::string>(), bits - 1));
  }

 protected:
  [[nodiscard]] const std::vector<Dial>& dials() const override {
    static const std::vector<Dial> all{
        {"bit", &RankDials::flip_bit, kFlipNone,
         [](const Params& params) { return dial_of(params.text("bit")).value_or(kFlipNone); }},
        {"every_steps", &RankDials::flip_every, 1, [](const Params& params) { return params.integer("every_steps"); }},
        {"seed", &RankDials::flip_seed, 0, [](const Params& params) { return params.integer("seed"); }}};
    return all;
  }
  [[nodiscard]] const std::vector<DialCounter>& dial_counters() const override {
    static const std::vector<DialCounter> all{{"flipped_bits", &RankDials::flipped_bits}};
    return all;
  }
};

}  // namespace

const Injector& bit_flip() {
  static const BitFlip injector;
  return injector;
}

}  // namespace grit
