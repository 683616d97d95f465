#include "harness/health/checks/numbered_entries.hpp"

#include <algorithm>
#include <charconv>
#include <string>

namespace grit {

std::vector<int> numbered_entries(const std::filesystem::path& directory, std::string_view prefix) {
  std::vector<int> numbers;
  std::error_code error;
  for (std::filesystem::directory_iterator entry(directory, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename();
    if (!name.starts_with(prefix)) continue;
    const char* const name_end = name.data() + name.size();
    int number = 0;
    const auto parsed = std::from_chars(name.data() + prefix.size(), name_end, number);
    if (parsed.ec == std::errc{} && parsed.ptr == name_end && number >= 0) numbers.push_back(number);
  }
  std::sort(numbers.begin(), numbers.end());
  return numbers;
}

}  // namespace grit
