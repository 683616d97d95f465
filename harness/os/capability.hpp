// What this process may do, capabilities(7).
#pragma once

namespace grit {

/// A CAP_* of linux/capability.h is in the effective set, be it of a user namespace's root only. False when /proc does
/// not say.
bool has_capability(int capability);

}  // namespace grit
