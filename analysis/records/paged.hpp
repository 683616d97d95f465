// A list in which only the stretches that are used take memory: one number out of line in a record of a run must not
// make us allocate all that lies before it.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <memory>
#include <vector>

namespace grit {

template <class T>
class Paged {
 public:
  /// The element, made when it is not there yet. The list then reaches at least to it.
  T& operator[](std::size_t index) {
    const std::size_t page = index / kPage;
    if (page >= pages_.size()) pages_.resize(page + 1);
    if (!pages_[page]) pages_[page] = std::make_unique<std::array<T, kPage>>();
    size_ = std::max(size_, index + 1);
    return (*pages_[page])[index % kPage];
  }
  /// nullptr: nobody ever touched its neighbourhood.
  [[nodiscard]] const T* find(std::size_t index) const {
    const std::size_t page = index / kPage;
    return page < pages_.size() && pages_[page] ? &(*pages_[page])[index % kPage] : nullptr;
  }
  [[nodiscard]] std::size_t size() const { return size_; }

 private:
  static constexpr std::size_t kPage = 256;
  std::vector<std::unique_ptr<std::array<T, kPage>>> pages_{};
  std::size_t size_ = 0;
};

}  // namespace grit
