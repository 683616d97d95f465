#include "workloads/wrong_values.hpp"

namespace grit {
namespace {

template <class Pattern>
void report(const WorkloadContext& context, const CheckedOperation& checked, const Pattern& pattern,
            const std::optional<WrongElement>& wrong, int source_rank) {
  if (!wrong) return;
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
                      const std::byte* sums, std::size_t first, std::size_t count) {
  if (context.wrong_values == nullptr) return;
  report(context, checked, pattern, pattern.first_wrong(sums, first, count), -1);
}

void report_wrong_copy(const WorkloadContext& context, const CheckedOperation& checked, const CopyPattern& pattern,
                       const std::byte* values, int source, int destination, std::size_t first, std::size_t count,
                       int source_rank) {
  if (context.wrong_values == nullptr) return;
  report(context, checked, pattern, pattern.first_wrong(values, source, destination, first, count), source_rank);
}

}  // namespace grit
