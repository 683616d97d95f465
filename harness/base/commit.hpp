// Which source this program was built from.
#pragma once

namespace grit {

/// "94c8ac0d1f2e", with "-dirty" when there were changes that are in no commit; "unknown" of sources that are neither
/// in a repository of their own nor an archive made by git. Settled whenever the program is built (cmake/commit.cmake).
const char* commit();

}  // namespace grit
