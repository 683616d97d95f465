// A command line that can be pasted.
#pragma once

#include <string>
#include <vector>

namespace grit {

/// The words as one line of a POSIX shell that gives exactly these words: what has more in it than letters, digits and
/// %+,-./:=@_ is put in single quotes.
std::string shell_line(const std::vector<std::string>& words);

}  // namespace grit
