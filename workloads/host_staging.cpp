#include "workloads/host_staging.hpp"

#include <pthread.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <new>
#include <string>
#include <system_error>

namespace grit {

ParamSpec helper_threads_param() {
  return {.name = "helper_threads",
          .unit = Unit::count,
          .default_value = 0,
          .help =
              "threads of a rank that copy what it sends to the network's buffers before an operation and what it "
              "gets back after it, as NCCL's proxies do without GPUDirect; 0: there is nothing to copy",
          .min = 0,
          .max = 64};
}

Result<std::unique_ptr<HostStaging>> HostStaging::make(int threads) {
  try {
    std::unique_ptr<HostStaging> staging(new HostStaging);
    for (std::size_t i = 0; i < static_cast<std::size_t>(threads); ++i)
      staging->threads_.emplace_back([raw = staging.get(), i] { raw->serve(i); });
    return staging;
  } catch (const std::bad_alloc&) {
    return unavailable_error("not enough memory for the helper threads; choose a smaller scale or model");
  } catch (const std::system_error& error) {
    return unavailable_error(std::string("cannot start a helper thread: ") + error.what());
  }
}

HostStaging::~HostStaging() {
  ending_.store(true);
  asked_.fetch_add(1);
  asked_.notify_all();
}

void HostStaging::add(std::span<const std::byte> buffer) {
  if (!buffer.empty()) pairs_.push_back({buffer, std::vector<std::byte>(buffer.size())});
}

std::byte* HostStaging::network_side(const std::byte* at) {
  const std::less_equal<const std::byte*> not_after;  // of any two pointers
  const auto pair = std::ranges::find_if(pairs_, [&](const Pair& one) {
    return not_after(one.buffer.data(), at) && !not_after(one.buffer.data() + one.buffer.size(), at);
  });
  GRIT_ASSERT(pair != pairs_.end());
  return pair->network_side.data() + (at - pair->buffer.data());
}

void HostStaging::copy(std::byte* to, const std::byte* from, std::size_t bytes) {
  to_ = to;
  from_ = from;
  bytes_ = bytes;
  const auto all = static_cast<std::uint32_t>(threads_.size());
  const std::uint32_t done = done_.load(std::memory_order_relaxed);
  asked_.fetch_add(1, std::memory_order_release);
  asked_.notify_all();
  for (std::uint32_t now = done; now != done + all; now = done_.load(std::memory_order_acquire)) done_.wait(now);
}

void HostStaging::serve(std::size_t index) {
  ::pthread_setname_np(::pthread_self(), "grit-proxy");
  for (std::uint32_t served = 0;; ++served) {
    asked_.wait(served, std::memory_order_acquire);
    if (ending_.load()) return;
    for (std::size_t at = index * kChunk_bytes; at < bytes_; at += threads_.size() * kChunk_bytes) {
      std::memcpy(to_ + at, from_ + at, std::min(kChunk_bytes, bytes_ - at));
      std::this_thread::yield();
    }
    done_.fetch_add(1, std::memory_order_release);
    done_.notify_all();
  }
}

}  // namespace grit
