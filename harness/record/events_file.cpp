// events.jsonl: one JSON object a line, appended by single writes.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "harness/base/files.hpp"
#include "harness/record/run_dir.hpp"
#include "harness/record/write_error.hpp"

namespace grit {
namespace {

Json with_format(Json event) {
  event["format"] = formats::kEvents.number;
  return event;
}

/// Ends a line that a killed writer left torn, so that the next event stands alone. The reader skips the torn one.
Status end_torn_line(int fd) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) return errno_error("fstat");
  if (status.st_size == 0) return {};
  char last = '\0';
  if (::pread(fd, &last, 1, status.st_size - 1) != 1) return errno_error("cannot read the end of events.jsonl");
  if (last == '\n') return {};
  return write_all(fd, "\n");
}

/// Takes back the first part of a line whose rest did not fit. Only when nobody has appended since: another process
/// may.
void take_back(int fd, off_t written_bytes) {
  const off_t end = ::lseek(fd, 0, SEEK_CUR);  // O_APPEND moves the offset to the end of what was written
  struct stat status {};
  if (::fstat(fd, &status) != 0 || status.st_size != end) return;
  // When this fails too, the line stays torn, which the reader copes with.
  [[maybe_unused]] const int result = ::ftruncate(fd, end - written_bytes);
}

}  // namespace

Result<EventsWriter> EventsWriter::open(const std::filesystem::path& file) {
  GRIT_CHECK(check_run_directory(file.parent_path()));
  EventsWriter writer;
  writer.fd_ = open_plain_file(file, O_RDWR | O_APPEND | O_CREAT);
  if (!writer.fd_) return write_error("cannot open " + file.string(), errno);
  struct stat status {};
  writer.is_new_ = ::fstat(writer.fd_.get(), &status) == 0 && status.st_size == 0;
  if (auto ended = end_torn_line(writer.fd_.get()); !ended)
    return with_context(ended.error(), "cannot continue " + file.string());
  return writer;
}

Status EventsWriter::append(const Json& event) {
  if (!event.is_object()) return internal_error("an event must be a JSON object");
  // Bytes that are not UTF-8 (a kernel message, a command's output) become U+FFFD instead of an exception.
  const auto line_of = [](const Json& json) { return json_text(json) + '\n'; };
  const std::string line = is_new_ ? line_of(with_format(event)) : line_of(event);
  ssize_t written = ::write(fd_.get(), line.data(), line.size());
  while (written < 0 && errno == EINTR) written = ::write(fd_.get(), line.data(), line.size());
  if (written == static_cast<ssize_t>(line.size())) {
    is_new_ = false;
    return {};
  }
  const int error = written < 0 ? errno : ENOSPC;  // a short write to a regular file: write(2), "insufficient space"
  if (written > 0) take_back(fd_.get(), written);
  return write_error("cannot write an event to events.jsonl", error);
}

Result<Json> read_json(const std::filesystem::path& file) {
  const auto text = read_file(file);
  if (!text) return usage_error(text.error().message + "; is " + file.parent_path().string() + " a run directory?");
  auto json = parse_json(*text);
  if (!json) return with_context(json.error(), file.string());
  return json;
}

Result<Json> read_document(const std::filesystem::path& file, const Format& format) {
  GRIT_TRY(Json document, read_json(file));
  if (auto readable = check_format(document, format); !readable) return with_context(readable.error(), file.string());
  return document;
}

}  // namespace grit
