#include "harness/record/npy_header.hpp"

#include <fmt/format.h>

#include <bit>
#include <charconv>
#include <cstddef>
#include <type_traits>

#include "harness/model/step_record.hpp"

namespace grit {
namespace {

using namespace std::string_view_literals;

static_assert(std::endian::native == std::endian::little, "the dtypes below say little endian");

struct Field {
  std::string_view name;
  std::string_view dtype;
  std::size_t offset;
  std::size_t size;
};

template <class T>
constexpr std::string_view dtype_of() {
  if constexpr (std::is_same_v<T, std::uint32_t>)
    return "<u4";
  else if constexpr (std::is_same_v<T, std::int64_t>)
    return "<i8";
}

// The one place that names the columns; the assertion below fails when StepRecord and it drift apart.
#define GRIT_FIELD(name) \
  Field { #name, dtype_of < decltype(StepRecord::name)>(), offsetof(StepRecord, name), sizeof(StepRecord::name) }
constexpr Field kFields[] = {GRIT_FIELD(rank),
                             GRIT_FIELD(node),
                             GRIT_FIELD(block),
                             GRIT_FIELD(step),
                             GRIT_FIELD(step_in_block),
                             GRIT_FIELD(corrupted),
                             GRIT_FIELD(start_ns),
                             GRIT_FIELD(end_ns),
                             GRIT_FIELD(input_ns),
                             GRIT_FIELD(forward_ns),
                             GRIT_FIELD(backward_ns),
                             GRIT_FIELD(exposed_comm_ns),
                             GRIT_FIELD(optimizer_ns),
                             GRIT_FIELD(checkpoint_ns),
                             GRIT_FIELD(collective_entry_ns),
                             GRIT_FIELD(collective_exit_ns)};
#undef GRIT_FIELD

constexpr bool covers_record_without_gaps() {
  std::size_t end = 0;
  for (const Field& field : kFields) {
    if (field.offset != end) return false;
    end += field.size;
  }
  return end == sizeof(StepRecord);
}
static_assert(covers_record_without_gaps(), "kFields must list every member of StepRecord in its order");

constexpr std::string_view kMagic = "\x93NUMPY\x01\x00"sv;
constexpr std::size_t kPreambleBytes = kMagic.size() + 2;  // magic, version, uint16 length of the text

/// The dictionary up to the count; NumPy sorts its keys and spells it just so.
std::string dictionary_start() {
  std::string text = "{'descr': [";
  for (const Field& field : kFields) {
    if (&field != kFields) text += ", ";
    text += fmt::format("('{}', '{}')", field.name, field.dtype);
  }
  return text + "], 'fortran_order': False, 'shape': (";
}
constexpr std::string_view kDictionaryEnd = ",), }";

}  // namespace

std::string npy_header(std::uint64_t count) {
  constexpr std::size_t text_bytes = kNpyHeaderBytes - kPreambleBytes;
  std::string header(kMagic);
  header += static_cast<char>(text_bytes & 0xff);
  header += static_cast<char>(text_bytes >> 8);
  header += dictionary_start() + std::to_string(count);
  header += kDictionaryEnd;
  GRIT_ASSERT(header.size() < kNpyHeaderBytes);
  header.resize(kNpyHeaderBytes - 1, ' ');
  header += '\n';
  return header;
}

Result<NpyHeader> parse_npy_header(std::string_view bytes) {
  if (bytes.size() < kPreambleBytes || !bytes.starts_with(kMagic)) return usage_error("not a NumPy file of format 1.0");
  const auto byte = [&](std::size_t at) { return static_cast<std::size_t>(static_cast<unsigned char>(bytes[at])); };
  const std::size_t text_bytes = byte(kPreambleBytes - 2) | byte(kPreambleBytes - 1) << 8;
  if (bytes.size() < kPreambleBytes + text_bytes) return usage_error("the NumPy header is cut short");
  std::string_view text = bytes.substr(kPreambleBytes, text_bytes);

  const std::string start = dictionary_start();
  if (!text.starts_with(start)) return usage_error("its columns are not those of this version's step records");
  text.remove_prefix(start.size());
  NpyHeader header{.data_offset_bytes = kPreambleBytes + text_bytes};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), header.count);
  if (error != std::errc()) return usage_error("the NumPy header has no count of records");
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  if (!text.starts_with(kDictionaryEnd)) return usage_error("the NumPy header is not that of a list of records");
  return header;
}

}  // namespace grit
