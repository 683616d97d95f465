#include "harness/record/npy_header.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cstddef>
#include <cstring>
#include <iterator>
#include <optional>
#include <type_traits>
#include <utility>

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

// Without these no record can be placed.
constexpr std::array kNeeded{"rank"sv, "node"sv, "block"sv, "step"sv, "start_ns"sv, "end_ns"sv};

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

/// One column more of the rows. Of StepRecord's it keeps where it is.
Status add_column(NpyHeader& header, std::string_view name, std::string_view dtype) {
  const auto type = column_type(dtype);
  if (!type) return usage_error(fmt::format("its column {} is of type {}, which cannot be passed over", name, dtype));
  const auto* member =
      std::find_if(std::begin(kFields), std::end(kFields), [&](const Field& f) { return f.name == name; });
  const std::size_t size = type->size_bytes;
  if (member != std::end(kFields)) {
    const bool is_integer =
        (type->kind == 'u' || type->kind == 'i') && (size == 1 || size == 2 || size == 4 || size == 8);
    if (!is_integer || (type->order != '<' && size > 1))
      return usage_error(
          fmt::format("its column {} is of type {}, and only little-endian integers are read", name, dtype));
    header.columns.push_back({std::string(name), header.row_bytes, size, type->kind == 'i',
                              static_cast<std::size_t>(member - std::begin(kFields))});
  }
  header.row_bytes += size;
  return {};
}

bool has_column(const NpyHeader& header, std::string_view name) {
  return std::any_of(header.columns.begin(), header.columns.end(), [&](const NpyColumn& c) { return c.name == name; });
}

/// Every member in its place, and nothing else.
bool is_step_record(const NpyHeader& header) {
  if (header.columns.size() != std::size(kFields) || header.row_bytes != sizeof(StepRecord)) return false;
  return std::all_of(header.columns.begin(), header.columns.end(), [](const NpyColumn& column) {
    const Field& field = kFields[column.member];
    return column.row_offset_bytes == field.offset && column.size_bytes == field.size &&
           column.is_signed == (field.dtype[1] == 'i');
  });
}

Status read_columns(HeaderText& text, NpyHeader& header) {
  if (!text.skip("{'descr': [")) return usage_error("its rows have no columns with names");
  while (!text.skip("]")) {
    const bool begins = text.skip("(");
    const auto name = begins ? text.quoted() : std::nullopt;
    const auto dtype = name && text.skip(", ") ? text.quoted() : std::nullopt;
    if (!dtype || !text.skip(")"))
      return usage_error(fmt::format("the NumPy header's column {} has a type that is not known", name.value_or("?")));
    GRIT_CHECK(add_column(header, *name, *dtype));
    text.skip(", ");
  }
  for (const std::string_view name : kNeeded)
    if (!has_column(header, name)) return usage_error(fmt::format("it has no column {}", name));
  header.is_own = is_step_record(header);
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
template <class T>
bool put(const NpyColumn& column, const char* row, char* member) {
  const std::uint64_t bits = bits_of(column, row);
  const auto number = static_cast<std::int64_t>(bits);
  if (column.is_signed ? !std::in_range<T>(number) : !std::in_range<T>(bits)) return false;
  const T value = static_cast<T>(bits);
  std::memcpy(member, &value, sizeof value);
  return true;
}

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
  HeaderText text(bytes.substr(kPreambleBytes, text_bytes));
  NpyHeader header{.data_offset_bytes = kPreambleBytes + text_bytes};
  GRIT_CHECK(read_columns(text, header));
  if (!text.skip(", 'fortran_order': False, 'shape': (")) return usage_error("the NumPy header is not that of a list");
  const auto count = text.number();
  if (!count) return usage_error("the NumPy header has no count of records");
  header.count = *count;
  if (!text.skip(kDictionaryEnd)) return usage_error("the NumPy header is not that of a list of records");
  return header;
}

Result<std::vector<StepRecord>> records_from_rows(const NpyHeader& header, std::string_view rows) {
  std::vector<StepRecord> records(rows.size() / header.row_bytes);
  for (std::size_t i = 0; i < records.size(); ++i)
    for (const NpyColumn& column : header.columns) {
      const Field& field = kFields[column.member];
      const char* row = rows.data() + i * header.row_bytes;
      char* member = reinterpret_cast<char*>(&records[i]) + field.offset;
      const bool fits = field.size == sizeof(std::uint32_t) ? put<std::uint32_t>(column, row, member)
                                                            : put<std::int64_t>(column, row, member);
      if (!fits)
        return usage_error(
            fmt::format("row {} has a {} that does not fit this version's step records", i, column.name));
    }
  return records;
}

}  // namespace grit
