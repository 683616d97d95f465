// Element-wise sums in the data types of gradients, and what else a fabric needs to know of a data type.
#pragma once

#include <cstddef>
#include <string_view>

#include "workloads/fabric/fabric.hpp"

namespace grit {

/// "fp32", "bf16", "fp16".
std::string_view data_type_name(DataType type);

/// The data type of that name. Error (usage): there is none; lists those there are.
Result<DataType> parse_data_type(std::string_view name);

/// inout[i] += in[i], computed in float and rounded to nearest even to the type, as the accelerators' collective
/// libraries do. The buffers must not overlap.
void sum_into(const void* in, void* inout, std::size_t count, DataType type);

/// One element as float, and a float as one element.
float load_element(const void* buffer, std::size_t index, DataType type);
void store_element(void* buffer, std::size_t index, DataType type, float value);

}  // namespace grit
