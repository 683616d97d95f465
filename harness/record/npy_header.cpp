#include "harness/record/npy_header.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cstddef>
#include <cstring>
#include <optional>
#include <type_traits>

#include "harness/model/collective_record.hpp"
#include "harness/model/step_record.hpp"

namespace grit {
namespace {

using namespace std::string_view_literals;

static_assert(std::endian::native == std::endian::little, "the dtypes below say little endian");

template <class T>
constexpr std::string_view dtype_of() {
  if constexpr (std::is_enum_v<T>)
    return dtype_of<std::underlying_type_t<T>>();
  else if constexpr (std::is_same_v<T, std::uint8_t>)
    return "|u1";
  else if constexpr (std::is_same_v<T, std::uint16_t>)
    return "<u2";
  else if constexpr (std::is_same_v<T, std::uint32_t>)
    return "<u4";
  else if constexpr (std::is_same_v<T, std::int32_t>)
    return "<i4";
  else if constexpr (std::is_same_v<T, std::int64_t>)
    return "<i8";
}

// The one place that names the columns; the assertions below fail when a record and its columns drift apart.
#define GRIT_FIELD(record, name) \
  RecordField { #name, dtype_of < decltype(record::name)>(), offsetof(record, name), sizeof(record::name) }
#define GRIT_STEP(name) GRIT_FIELD(StepRecord, name)
#define GRIT_SPAN(name) GRIT_FIELD(CollectiveRecord, name)
constexpr std::array kStepFields{GRIT_STEP(rank),
                                 GRIT_STEP(node),
                                 GRIT_STEP(block),
                                 GRIT_STEP(step),
                                 GRIT_STEP(step_in_block),
                                 GRIT_STEP(corrupted),
                                 GRIT_STEP(start_ns),
                                 GRIT_STEP(end_ns),
                                 GRIT_STEP(input_ns),
                                 GRIT_STEP(forward_ns),
                                 GRIT_STEP(backward_ns),
                                 GRIT_STEP(exposed_comm_ns),
                                 GRIT_STEP(optimizer_ns),
                                 GRIT_STEP(checkpoint_ns),
                                 GRIT_STEP(collective_entry_ns),
                                 GRIT_STEP(collective_exit_ns)};
constexpr std::array kSpanFields{GRIT_SPAN(rank),  GRIT_SPAN(step),     GRIT_SPAN(sequence),  GRIT_SPAN(wrong),
                                 GRIT_SPAN(peer),  GRIT_SPAN(group),    GRIT_SPAN(operation), GRIT_SPAN(type),
                                 GRIT_SPAN(bytes), GRIT_SPAN(entry_ns), GRIT_SPAN(exit_ns),   GRIT_SPAN(wait_ns)};
#undef GRIT_SPAN
#undef GRIT_STEP
#undef GRIT_FIELD

constexpr bool cover_without_gaps(std::span<const RecordField> fields, std::size_t record_bytes) {
  std::size_t end = 0;
  for (const RecordField& field : fields) {
    if (field.offset_bytes != end) return false;
    end += field.size_bytes;
  }
  return end == record_bytes;
}
static_assert(cover_without_gaps(kStepFields, sizeof(StepRecord)), "every member of StepRecord, in its order");
static_assert(cover_without_gaps(kSpanFields, sizeof(CollectiveRecord)), "every member of CollectiveRecord, in order");

// Without these no record can be placed.
constexpr std::array kNeededOfStep{"rank"sv, "node"sv, "block"sv, "step"sv, "start_ns"sv, "end_ns"sv};
constexpr std::array kNeededOfSpan{"rank"sv,      "step"sv,  "sequence"sv, "group"sv,
                                   "operation"sv, "bytes"sv, "entry_ns"sv, "exit_ns"sv};

constexpr RecordLayout kStepLayout{"steps.npy", "step records", kStepFields, sizeof(StepRecord), kNeededOfStep};
constexpr RecordLayout kSpanLayout{"collectives.npy", "spans", kSpanFields, sizeof(CollectiveRecord), kNeededOfSpan};

constexpr std::string_view kNumpyMagic = "\x93NUMPY\x01\x00"sv;
constexpr std::size_t kPreambleBytes = kNumpyMagic.size() + 2;  // magic, version, uint16 length of the text

/// The dictionary up to the count; NumPy sorts its keys and spells it just so.
std::string dictionary_start(const RecordLayout& layout) {
  std::string text = "{'descr': [";
  for (const RecordField& field : layout.fields) {
    if (&field != layout.fields.data()) text += ", ";
    text += fmt::format("('{}', '{}')", field.name, field.dtype);
  }
  return text + "], 'fortran_order': False, 'shape': (";
}
constexpr std::string_view kDictionaryEnd = ",), }";

/// The text of the header, a Python dictionary as NumPy writes it, read from its beginning on.
class HeaderText {
 public:
  explicit HeaderText(std::string_view text) : rest_(text) {}

  bool skip(std::string_view expected) {
    if (!rest_.starts_with(expected)) return false;
    rest_.remove_prefix(expected.size());
    return true;
  }
  /// Of 'name'; nothing when the next thing is no such text.
  std::optional<std::string_view> quoted() {
    if (!skip("'")) return std::nullopt;
    const std::size_t end = rest_.find('\'');
    if (end == std::string_view::npos) return std::nullopt;
    const std::string_view text = rest_.substr(0, end);
    rest_.remove_prefix(end + 1);
    return text;
  }
  std::optional<std::uint64_t> number() {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), value);
    if (error != std::errc()) return std::nullopt;
    rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
    return value;
  }

 private:
  std::string_view rest_;
};

/// "<u4": its order of bytes, kind and size.
struct ColumnType {
  char order = '<';
  char kind = 'u';
  std::size_t size_bytes = 0;
};

/// Nothing: it has no size of its own (objects, times with a unit). Letters have four bytes each.
std::optional<ColumnType> column_type(std::string_view dtype) {
  constexpr std::size_t kLargest_bytes = 1 << 20;
  if (dtype.size() < 3 || "<>|="sv.find(dtype[0]) == std::string_view::npos ||
      "biufcSVU"sv.find(dtype[1]) == std::string_view::npos)
    return std::nullopt;
  ColumnType type{dtype[0], dtype[1]};
  const auto [end, error] = std::from_chars(dtype.data() + 2, dtype.data() + dtype.size(), type.size_bytes);
  if (error != std::errc() || end != dtype.data() + dtype.size() || type.size_bytes > kLargest_bytes)
    return std::nullopt;
  if (type.kind == 'U') type.size_bytes *= 4;
  return type;
}

/// One column more of the rows. Of a record's own it keeps where it is.
Status add_column(const RecordLayout& layout, NpyHeader& header, std::string_view name, std::string_view dtype) {
  const auto type = column_type(dtype);
  if (!type) return usage_error(fmt::format("its column {} is of type {}, which cannot be passed over", name, dtype));
  const auto member =
      std::find_if(layout.fields.begin(), layout.fields.end(), [&](const RecordField& f) { return f.name == name; });
  const std::size_t size = type->size_bytes;
  if (member != layout.fields.end()) {
    const bool is_integer =
        (type->kind == 'u' || type->kind == 'i') && (size == 1 || size == 2 || size == 4 || size == 8);
    if (!is_integer || (type->order != '<' && size > 1))
      return usage_error(
          fmt::format("its column {} is of type {}, and only little-endian integers are read", name, dtype));
    header.columns.push_back({std::string(name), header.row_bytes, size, type->kind == 'i',
                              static_cast<std::size_t>(member - layout.fields.begin())});
  }
  header.row_bytes += size;
  return {};
}

bool has_column(const NpyHeader& header, std::string_view name) {
  return std::any_of(header.columns.begin(), header.columns.end(), [&](const NpyColumn& c) { return c.name == name; });
}

/// Every member in its place, and nothing else.
bool is_own_layout(const RecordLayout& layout, const NpyHeader& header) {
  if (header.columns.size() != layout.fields.size() || header.row_bytes != layout.record_bytes) return false;
  return std::all_of(header.columns.begin(), header.columns.end(), [&](const NpyColumn& column) {
    const RecordField& field = layout.fields[column.member];
    return column.row_offset_bytes == field.offset_bytes && column.size_bytes == field.size_bytes &&
           column.is_signed == (field.dtype[1] == 'i');
  });
}

Status read_columns(const RecordLayout& layout, HeaderText& text, NpyHeader& header) {
  if (!text.skip("{'descr': [")) return usage_error("its rows have no columns with names");
  while (!text.skip("]")) {
    const bool begins = text.skip("(");
    const auto name = begins ? text.quoted() : std::nullopt;
    const auto dtype = name && text.skip(", ") ? text.quoted() : std::nullopt;
    if (!dtype || !text.skip(")"))
      return usage_error(fmt::format("the NumPy header's column {} has a type that is not known", name.value_or("?")));
    GRIT_CHECK(add_column(layout, header, *name, *dtype));
    text.skip(", ");
  }
  for (const std::string_view name : layout.needed)
    if (!has_column(header, name)) return usage_error(fmt::format("it has no column {}", name));
  header.is_own = is_own_layout(layout, header);
  return {};
}

/// The column's number in a row, as the bits of a 64-bit integer of the same sign.
std::uint64_t bits_of(const NpyColumn& column, const char* row) {
  std::uint64_t bits = 0;
  std::memcpy(&bits, row + column.row_offset_bytes, column.size_bytes);
  const auto unused = static_cast<int>(64 - 8 * column.size_bytes);
  if (column.is_signed) return static_cast<std::uint64_t>(static_cast<std::int64_t>(bits << unused) >> unused);
  return bits;
}

/// False: it does not fit.
bool put(const NpyColumn& column, const char* row, const RecordField& field, std::byte* record) {
  const std::uint64_t bits = bits_of(column, row);
  const auto unused = static_cast<int>(64 - 8 * field.size_bytes);
  const bool signed_member = field.dtype[1] == 'i';
  // Of another sign than the member's a number fits when it is below 2^63, and then as one of the member's.
  if (column.is_signed != signed_member && bits >> 63 != 0) return false;
  const std::uint64_t kept = bits << unused;
  const std::uint64_t back =
      signed_member ? static_cast<std::uint64_t>(static_cast<std::int64_t>(kept) >> unused) : kept >> unused;
  if (back != bits) return false;
  std::memcpy(record + field.offset_bytes, &bits, field.size_bytes);  // little endian: the lower bytes come first
  return true;
}

}  // namespace

template <>
const RecordLayout& record_layout<StepRecord>() {
  return kStepLayout;
}

template <>
const RecordLayout& record_layout<CollectiveRecord>() {
  return kSpanLayout;
}

std::string npy_header(const RecordLayout& layout, std::uint64_t count) {
  constexpr std::size_t text_bytes = kNpyHeaderBytes - kPreambleBytes;
  std::string header(kNumpyMagic);
  header += static_cast<char>(text_bytes & 0xff);
  header += static_cast<char>(text_bytes >> 8);
  header += dictionary_start(layout) + std::to_string(count);
  header += kDictionaryEnd;
  GRIT_ASSERT(header.size() < kNpyHeaderBytes);
  header.resize(kNpyHeaderBytes - 1, ' ');
  header += '\n';
  return header;
}

Result<NpyHeader> parse_npy_header(const RecordLayout& layout, std::string_view bytes) {
  if (bytes.size() < kPreambleBytes || !bytes.starts_with(kNumpyMagic))
    return usage_error("not a NumPy file of format 1.0");
  const auto byte = [&](std::size_t at) { return static_cast<std::size_t>(static_cast<unsigned char>(bytes[at])); };
  const std::size_t text_bytes = byte(kPreambleBytes - 2) | byte(kPreambleBytes - 1) << 8;
  if (bytes.size() < kPreambleBytes + text_bytes) return usage_error("the NumPy header is cut short");
  HeaderText text(bytes.substr(kPreambleBytes, text_bytes));
  NpyHeader header{.data_offset_bytes = kPreambleBytes + text_bytes};
  GRIT_CHECK(read_columns(layout, text, header));
  if (!text.skip(", 'fortran_order': False, 'shape': (")) return usage_error("the NumPy header is not that of a list");
  const auto count = text.number();
  if (!count) return usage_error("the NumPy header has no count of records");
  header.count = *count;
  if (!text.skip(kDictionaryEnd)) return usage_error("the NumPy header is not that of a list of records");
  return header;
}

Status records_from_rows(const RecordLayout& layout, const NpyHeader& header, std::string_view rows,
                         std::span<std::byte> records) {
  const std::size_t count = rows.size() / header.row_bytes;
  GRIT_ASSERT(records.size() == count * layout.record_bytes);
  for (std::size_t i = 0; i < count; ++i)
    for (const NpyColumn& column : header.columns)
      if (!put(column, rows.data() + i * header.row_bytes, layout.fields[column.member],
               records.data() + i * layout.record_bytes))
        return usage_error(
            fmt::format("row {} has a {} that does not fit this version's {}", i, column.name, layout.records));
  return {};
}

}  // namespace grit
