#include "workloads/checkpoint_writer.hpp"

#include <pthread.h>

#include <new>
#include <string>
#include <system_error>
#include <utility>

#include "harness/base/caught.hpp"

namespace grit {

Result<std::unique_ptr<CheckpointWriter>> CheckpointWriter::make(std::size_t bytes, bool asynchronous, Write write) {
  try {
    std::unique_ptr<CheckpointWriter> writer(new CheckpointWriter(bytes, std::move(write)));
    if (asynchronous)
      writer->thread_ = std::jthread([raw = writer.get()](const std::stop_token& ending) { raw->serve(ending); });
    return writer;
  } catch (const std::bad_alloc&) {
    return unavailable_error(
        "not enough memory for a copy of what a checkpoint saves; choose a smaller scale or model");
  } catch (const std::system_error& error) {
    return unavailable_error(std::string("cannot start the thread that writes checkpoints: ") + error.what());
  }
}

Status CheckpointWriter::finish() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return !handed_over_; });
  return outcome_;
}

Result<std::span<std::byte>> CheckpointWriter::buffer() {
  GRIT_CHECK(finish());
  return std::span(buffer_);
}

Status CheckpointWriter::write(std::int64_t step, std::size_t bytes, std::uint64_t checksum_of_all) {
  const CheckpointedState state{step, std::span(buffer_).first(bytes), checksum_of_all};
  if (!thread_.joinable()) return write_(state, {});
  {
    const std::lock_guard lock(mutex_);
    GRIT_ASSERT(!handed_over_);
    handed_over_ = state;
  }
  changed_.notify_all();
  return {};
}

void CheckpointWriter::serve(const std::stop_token& ending) {
  ::pthread_setname_np(::pthread_self(), "grit-checkpoint");
  std::unique_lock lock(mutex_);
  while (changed_.wait(lock, ending, [this] { return handed_over_.has_value(); })) {
    const CheckpointedState state = *handed_over_;
    lock.unlock();
    const Status written = caught([&] { return write_(state, ending); });
    lock.lock();
    if (!written && outcome_) outcome_ = written;
    handed_over_.reset();
    changed_.notify_all();
  }
}

}  // namespace grit
