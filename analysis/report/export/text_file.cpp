#include "analysis/report/export/text_file.hpp"

#include <fcntl.h>

#include "harness/base/files.hpp"

namespace grit {

namespace {
constexpr std::size_t kBufferBytes = 1 << 20;
}

Result<TextFile> TextFile::create(std::filesystem::path path) {
  TextFile file;
  file.temporary_ = path.string() + ".tmp";
  file.path_ = std::move(path);
  file.fd_ = Fd(::open(file.temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644));
  if (!file.fd_ && (errno == ENOENT || errno == ENOTDIR))
    return usage_error(file.path_.string() + " cannot be: there is no directory " + file.path_.parent_path().string());
  if (!file.fd_) return errno_error("cannot create " + file.temporary_.string());
  return file;
}

TextFile::~TextFile() {
  if (fd_) ::unlink(temporary_.c_str());
}

void TextFile::add(std::string_view text) {
  buffer_ += text;
  bytes_ += text.size();
  if (buffer_.size() >= kBufferBytes) flush();
}

void TextFile::flush() {
  if (status_) status_ = write_all(fd_.get(), buffer_);
  buffer_.clear();
}

Status TextFile::commit() {
  flush();
  if (!status_) return with_context(status_.error(), "cannot write " + path_.string());
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) return errno_error("cannot move a file to " + path_.string());
  fd_.reset();
  return {};
}

}  // namespace grit
