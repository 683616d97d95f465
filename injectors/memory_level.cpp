#include "injectors/memory_level.hpp"

#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

namespace grit {

MemoryLevel::MemoryLevel(WorkerPage& page, std::int64_t max_bytes)
    : page_bytes_(::sysconf(_SC_PAGESIZE)), max_bytes_(max_bytes / page_bytes_ * page_bytes_) {
  void* room = ::mmap(nullptr, static_cast<std::size_t>(max_bytes_), PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (room == MAP_FAILED)
    page.fail(fmt::format("cannot reserve {} bytes of address space: {} (vm.overcommit_memory, ulimit -v)", max_bytes_,
                          std::strerror(errno)));
  start_ = static_cast<char*>(room);
  // Page by page, so that what is held is what was asked for, and renewing costs what small allocations cost. A kernel
  // without huge pages refuses the advice, and does not need it.
  static_cast<void>(::madvise(start_, static_cast<std::size_t>(max_bytes_), MADV_NOHUGEPAGE));
}

MemoryLevel::~MemoryLevel() { ::munmap(start_, static_cast<std::size_t>(max_bytes_)); }

void MemoryLevel::touch(std::int64_t from, std::int64_t bytes) {
  for (std::int64_t at = from; at < from + bytes; at += page_bytes_) *static_cast<volatile char*>(start_ + at) = 1;
}

void MemoryLevel::release(std::int64_t from, std::int64_t bytes) {
  static_cast<void>(::madvise(start_ + from, static_cast<std::size_t>(bytes), MADV_DONTNEED));
}

void MemoryLevel::change(std::int64_t bytes) {
  const std::int64_t to = std::clamp<std::int64_t>((held_bytes_ + bytes) / page_bytes_ * page_bytes_, 0, max_bytes_);
  if (to > held_bytes_) touch(held_bytes_, to - held_bytes_);
  if (to < held_bytes_) release(to, held_bytes_ - to);
  held_bytes_ = to;
}

void MemoryLevel::renew(std::int64_t bytes) {
  for (std::int64_t left = bytes / page_bytes_ * page_bytes_; left > 0 && held_bytes_ > 0;) {
    if (next_ >= held_bytes_) next_ = 0;
    const std::int64_t part = std::min(left, held_bytes_ - next_);
    release(next_, part);
    touch(next_, part);
    next_ += part;
    left -= part;
  }
}

}  // namespace grit
