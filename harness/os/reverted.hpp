// What became of an undo record that was acted upon.
#pragma once

namespace grit {

/// How a revert ended. An Error in its place says that it failed or cannot tell; whoever holds the undo record then
/// keeps it.
enum class Reverted {
  put_back,  // what the record names is as it was, and was read back
  gone,      // what the record names provably no longer exists (another boot, the device or namespace was deleted)
};

}  // namespace grit
