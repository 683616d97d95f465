// Which run is meant: `grit report`, `grit report link_flap`, `grit report runs/link_flap/20261123T081500Z-7`.
#pragma once

#include <filesystem>
#include <string>

#include "harness/base/result.hpp"

namespace grit {

/// `given` as it is when it is a path or there is such a directory; else the latest run of the scenario of that name in
/// runs/; when empty, the latest of all. Says on standard error which it took when it was not named. Error (usage):
/// there is none.
Result<std::string> find_run(const std::string& given);

}  // namespace grit
