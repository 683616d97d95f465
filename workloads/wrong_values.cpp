#include "workloads/wrong_values.hpp"

namespace grit {
namespace {

template <class Pattern>
void report(const WorkloadContext& context, const CheckedOperation& checked, const Pattern& pattern,
            const std::optional<WrongElement>& wrong, int source_rank) {
  if (context.wrong_values == nullptr || !wrong) return;
  context.wrong_values->add({.block = checked.block,
                             .step = static_cast<std::uint32_t>(pattern.step()),
                             .sequence = checked.handle.sequence,
                             .source = source_rank,
                             .element = wrong->element,
                             .expected_bits = wrong->expected_bits,
                             .got_bits = wrong->got_bits,
                             .group = pattern.group(),
                             .operation = checked.operation,
                             .type = pattern.type()});
}

}  // namespace

void report_wrong_sum(const WorkloadContext& context, const CheckedOperation& checked, const SumPattern& pattern,
                      const std::optional<WrongElement>& wrong) {
  report(context, checked, pattern, wrong, -1);
}

void report_wrong_copy(const WorkloadContext& context, const CheckedOperation& checked, const CopyPattern& pattern,
                       const std::optional<WrongElement>& wrong, int source_rank) {
  report(context, checked, pattern, wrong, source_rank);
}

}  // namespace grit
