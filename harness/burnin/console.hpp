// What the kernel of a node said last, from a file that a serial console, a BMC or netconsole writes.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace grit {

class NodeConsoles {
 public:
  /// `pattern` names the file of a node by the node in the place of each "%n"; empty: there are none.
  explicit NodeConsoles(std::string pattern) : pattern_(std::move(pattern)) {}
  /// What has been said until now is of an earlier death, or of none.
  void note_well(const std::string& host);
  /// The last 20 lines of those that were said since the node was known to be well; before them that of a panic, which
  /// a stack, or the next start, may have moved further up. None where there is no such file. One that has become
  /// shorter is a new one, and is read from its beginning.
  [[nodiscard]] std::vector<std::string> last_lines(const std::string& host) const;

 private:
  std::string pattern_;
  std::map<std::string, std::int64_t> well_until_bytes_{};
};

/// Of such lines the one that says most: that of a panic, else the last. There must be one.
const std::string& telling_kernel_line(const std::vector<std::string>& lines);

}  // namespace grit
