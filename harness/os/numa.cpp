#include "harness/os/numa.hpp"

#include <fmt/format.h>

#include <filesystem>
#include <sstream>

#include "harness/base/files.hpp"

namespace grit {
namespace {

const std::filesystem::path kNodes = "/sys/devices/system/node";

/// "N1=36": the node and the pages there.
bool take_pages(const std::string& word, int& node, std::int64_t& pages) {
  const auto equals = word.find('=');
  if (word.size() < 4 || word[0] != 'N' || equals == std::string::npos) return false;
  if (word.find_first_not_of("0123456789", 1) != equals) return false;
  node = std::stoi(word.substr(1, equals - 1));
  pages = std::stoll(word.substr(equals + 1));
  return true;
}

}  // namespace

Result<std::vector<NumaNode>> numa_nodes() {
  const auto online = read_file(kNodes / "online");
  if (!online) return std::vector<NumaNode>{};
  GRIT_TRY(const auto numbers, cpus_from_list(*online));  // the same format
  std::vector<NumaNode> nodes;
  for (const int number : numbers) {
    NumaNode node{.number = number};
    const auto directory = kNodes / fmt::format("node{}", number);
    GRIT_TRY(const std::string cpus, read_file(directory / "cpulist"));
    if (cpus != "\n" && !cpus.empty()) {
      GRIT_TRY(node.cpus, cpus_from_list(cpus));
    }
    std::istringstream distances(read_file(directory / "distance").value_or(""));
    std::size_t next = 0;
    for (int distance = 0; next < numbers.size() && distances >> distance; ++next)
      node.distances[numbers[next]] = distance;
    nodes.push_back(std::move(node));
  }
  return nodes;
}

Result<std::map<int, std::int64_t>> memory_by_numa_node(const ProcessIdentity& process) {
  const auto text = read_file(fmt::format("/proc/{}/numa_maps", process.pid));
  if (!text)
    return unavailable_error(fmt::format("the kernel does not say where the memory of {} is (numa_maps)", process.pid));
  std::map<int, std::int64_t> bytes;
  std::istringstream lines(*text);
  for (std::string line; std::getline(lines, line);) {
    std::map<int, std::int64_t> pages_of_line;
    std::int64_t page_bytes = 4096;
    std::istringstream words(line);
    for (std::string word; words >> word;) {
      int node = 0;
      std::int64_t pages = 0;
      if (take_pages(word, node, pages)) pages_of_line[node] += pages;
      if (word.starts_with("kernelpagesize_kB=")) page_bytes = std::stoll(word.substr(word.find('=') + 1)) * 1024;
    }
    for (const auto& [node, pages] : pages_of_line) bytes[node] += pages * page_bytes;
  }
  GRIT_TRY(const auto state, process_state(process));  // after the reading: it was this process
  if (!state || bytes.empty()) return unavailable_error(fmt::format("process {} has ended", process.pid));
  return bytes;
}

}  // namespace grit
