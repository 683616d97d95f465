# Writes OUT, a source with the commit that SOURCE_DIR is at; run at every build, so that a build after a commit names that one. OUT changes only
# when the commit does. "-dirty": with changes that are in no commit. Of an archive that git made (`git archive`), the commit it is of.
set(commit "")
execute_process(COMMAND git -C ${SOURCE_DIR} rev-parse --show-toplevel OUTPUT_VARIABLE top OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
file(REAL_PATH ${SOURCE_DIR} source)
if(top STREQUAL source) # and not a source tree that lies within somebody else's repository
  execute_process(COMMAND git -C ${SOURCE_DIR} describe --always --dirty --abbrev=12
                  OUTPUT_VARIABLE commit OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
endif()
if(commit STREQUAL "")
  file(STRINGS ${SOURCE_DIR}/cmake/archived_commit.txt archived LIMIT_COUNT 1)
  if(archived MATCHES "^([0-9a-f]+)$")
    string(SUBSTRING ${archived} 0 12 commit)
  endif()
endif()
if(commit STREQUAL "")
  set(commit unknown)
endif()
file(WRITE ${OUT}.new "// Made by cmake/commit.cmake.
#include \"harness/base/commit.hpp\"

namespace grit {

const char* commit() { return \"${commit}\"; }

}  // namespace grit
")
execute_process(COMMAND ${CMAKE_COMMAND} -E copy_if_different ${OUT}.new ${OUT})
file(REMOVE ${OUT}.new)
