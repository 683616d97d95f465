#include "harness/record/mapped_file.hpp"

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <utility>

namespace grit {
namespace {

/// Says what happened; the access is then tried again, with the default action, and ends the process.
void on_bus_error(int, siginfo_t* info, void*) {
  constexpr std::string_view kText =
      "grit: a file of the run directory was cut short by another program while it was being read\n";
  if (info->si_code == BUS_ADRERR) static_cast<void>(!::write(STDERR_FILENO, kText.data(), kText.size()));
}

/// Leaves a handler that somebody else has set alone.
void explain_bus_error() {
  struct sigaction current {};
  if (::sigaction(SIGBUS, nullptr, &current) != 0 || (current.sa_flags & SA_SIGINFO) != 0 ||
      current.sa_handler != SIG_DFL)
    return;
  struct sigaction action {};
  action.sa_sigaction = on_bus_error;
  action.sa_flags = SA_SIGINFO | static_cast<int>(SA_RESETHAND);
  static_cast<void>(::sigaction(SIGBUS, &action, nullptr));
}

}  // namespace

Result<MappedFile> MappedFile::map(int fd, std::size_t bytes) {
  MappedFile file;
  if (bytes == 0) return file;
  explain_bus_error();
  void* base = ::mmap(nullptr, bytes, PROT_READ, MAP_SHARED, fd, 0);
  if (base == MAP_FAILED) return errno_error("mmap");
  file.base_ = base;
  file.bytes_ = bytes;
  // Only advice: it reads ahead further.
  static_cast<void>(::madvise(base, bytes, MADV_SEQUENTIAL));
  return file;
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : base_(std::exchange(other.base_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(base_, other.base_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

MappedFile::~MappedFile() {
  if (base_ != nullptr) ::munmap(base_, bytes_);
}

}  // namespace grit
