// Records go in first, the header that counts them after: whatever ends the process between the two, the
// header never claims what is not there.
#include "harness/record/npy_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <utility>

#include "harness/base/files.hpp"
#include "harness/record/npy_header.hpp"
#include "harness/record/run_dir.hpp"
#include "harness/record/write_error.hpp"

namespace grit {
namespace {

constexpr std::size_t kLargestHeader_bytes = 10 + 65535;  // format 1.0: the length of the text has 16 bits

template <class Record>
off_t offset_of(std::uint64_t record) {
  return static_cast<off_t>(kNpyHeaderBytes + record * sizeof(Record));
}

/// 0, or the errno that stopped it.
int pwrite_all(int fd, const char* bytes, std::size_t size, off_t offset) {
  while (size > 0) {
    const ssize_t written = ::pwrite(fd, bytes, size, offset);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return errno;
    bytes += written;
    size -= static_cast<std::size_t>(written);
    offset += written;
  }
  return 0;
}

/// Reads up to `size` bytes; fewer only at the end of the file.
Result<std::size_t> pread_up_to(int fd, char* bytes, std::size_t size, off_t offset) {
  std::size_t done = 0;
  while (done < size) {
    const ssize_t got = ::pread(fd, bytes + done, size - done, offset + static_cast<off_t>(done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno_error("cannot read");
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
  }
  return done;
}

Result<NpyHeader> read_header(int fd, const RecordLayout& layout) {
  std::string bytes(kLargestHeader_bytes, '\0');
  GRIT_TRY(const std::size_t got, pread_up_to(fd, bytes.data(), bytes.size(), 0));
  return parse_npy_header(layout, std::string_view(bytes).substr(0, got));
}

/// How many whole records the file has room for after its header.
Result<std::uint64_t> whole_records(int fd, const NpyHeader& header) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) return errno_error("fstat");
  const auto bytes = static_cast<std::uint64_t>(std::max<off_t>(status.st_size, 0));
  return bytes < header.data_offset_bytes ? 0 : (bytes - header.data_offset_bytes) / header.row_bytes;
}

}  // namespace

template <class Record>
Result<NpyWriter<Record>> NpyWriter<Record>::open(const std::filesystem::path& file) {
  GRIT_CHECK(check_run_directory(file.parent_path()));
  const RecordLayout& layout = record_layout<Record>();
  NpyWriter writer;
  writer.fd_ = open_plain_file(file, O_RDWR);
  if (!writer.fd_ && errno == ENOENT) {
    // Made in one go with its header: a kill leaves no file or a readable one.
    GRIT_CHECK(write_file_durably(file, npy_header(layout, 0)));
    writer.fd_ = open_plain_file(file, O_RDWR);
  }
  if (!writer.fd_) return errno_error("cannot open " + file.string());
  const auto fail = [&](const Error& error) { return with_context(error, "cannot continue " + file.string()); };
  const auto header = read_header(writer.fd_.get(), layout);
  if (!header) return fail(header.error());
  if (!header->is_own) return fail(usage_error("another version of grit wrote it").value());
  if (header->data_offset_bytes != kNpyHeaderBytes)
    return fail(usage_error("another program has rewritten it").value());
  const auto whole = whole_records(writer.fd_.get(), *header);
  if (!whole) return fail(whole.error());
  writer.count_ = *whole;
  if (::ftruncate(writer.fd_.get(), offset_of<Record>(*whole)) != 0) return fail(errno_error("ftruncate").value());
  const std::string current = npy_header(layout, *whole);
  if (const int error = pwrite_all(writer.fd_.get(), current.data(), current.size(), 0); error != 0)
    return write_error("cannot continue " + file.string(), error);
  return writer;
}

template <class Record>
Status NpyWriter<Record>::append(std::span<const Record> records) {
  if (records.empty()) return {};
  const std::uint64_t count = count_ + records.size();
  const RecordLayout& layout = record_layout<Record>();
  const std::string header = npy_header(layout, count);
  int error = pwrite_all(fd_.get(), reinterpret_cast<const char*>(records.data()), records.size_bytes(),
                         offset_of<Record>(count_));
  if (error == 0) error = pwrite_all(fd_.get(), header.data(), header.size(), 0);
  if (error != 0) {
    // Back to where it was: all of a batch or none, so that the caller may try again and no record is torn.
    if (::ftruncate(fd_.get(), offset_of<Record>(count_)) != 0)
      return errno_error(fmt::format("{} is left with a torn end: ftruncate", layout.file));
    return write_error(fmt::format("cannot write {} {} to {}", records.size(), layout.records, layout.file), error);
  }
  count_ = count;
  return {};
}

template <class Record>
Result<NpyFile<Record>> NpyFile<Record>::open(const std::filesystem::path& file) {
  const Fd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd && errno == ENOENT)
    return usage_error("there is no " + file.string() +
                       "; is this a run directory, and did the run get to its first step?");
  if (!fd) return errno_error("cannot open " + file.string());
  const auto fail = [&](const Error& error) { return with_context(error, "cannot read " + file.string()); };
  const RecordLayout& layout = record_layout<Record>();
  const auto header = read_header(fd.get(), layout);
  if (!header) return fail(header.error());
  // The size after the header: records that a writer appends between the two are then not counted.
  const auto whole = whole_records(fd.get(), *header);
  if (!whole) return fail(whole.error());
  const std::uint64_t count = std::min(header->count, *whole);
  NpyFile read;
  if (count == 0) return read;
  auto mapped = MappedFile::map(fd.get(), header->data_offset_bytes + count * header->row_bytes);
  if (!mapped) return fail(mapped.error());
  if (!header->is_own || header->data_offset_bytes % alignof(Record) != 0) {
    read.converted_.resize(count);
    const auto rows = mapped->bytes().substr(header->data_offset_bytes);
    const auto converted = records_from_rows(layout, *header, rows, std::as_writable_bytes(std::span(read.converted_)));
    if (!converted) return fail(converted.error());
    return read;
  }
  read.file_ = std::move(*mapped);
  read.offset_bytes_ = header->data_offset_bytes;
  return read;
}

template <class Record>
std::span<const Record> NpyFile<Record>::records() const {
  const std::string_view bytes = file_.bytes();
  if (bytes.empty()) return converted_;
  return {reinterpret_cast<const Record*>(bytes.data() + offset_bytes_),
          (bytes.size() - offset_bytes_) / sizeof(Record)};
}

template class NpyWriter<StepRecord>;
template class NpyWriter<CollectiveRecord>;
template class NpyFile<StepRecord>;
template class NpyFile<CollectiveRecord>;

}  // namespace grit
