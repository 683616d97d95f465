// Element-wise sums in the data types of gradients, and elements as numbers.
#pragma once

#include <cstddef>
#include <string_view>

#include "harness/base/result.hpp"
#include "harness/model/data_type.hpp"

namespace grit {

/// The data type of gradients of that name. Error (usage): there is none; lists those there are.
Result<DataType> parse_data_type(std::string_view name);

/// inout[i] += in[i], computed in float and rounded to nearest even to the type, as the accelerators' collective
/// libraries do. The buffers must not overlap. `type`: not bytes.
void sum_into(const void* in, void* inout, std::size_t count, DataType type);

/// One element as float, and a float as one element; of bytes the numbers from 0 to 255.
float load_element(const void* buffer, std::size_t index, DataType type);
void store_element(void* buffer, std::size_t index, DataType type, float value);

}  // namespace grit
