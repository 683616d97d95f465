// Lua -> the configuration of a burn-in.
#pragma once

#include <filesystem>

#include "harness/base/result.hpp"
#include "harness/model/burnin.hpp"

namespace grit {

/// A file that ends with: return { name = "quick", rounds = { ... } }, read in the sandbox of scenarios; its keys stand
/// in harness/scenario/tables.cpp. Error (usage): it is not, or states something wrong: a round without a name or with
/// one that another has, an unknown kind, measure or fact, a limit that is no limit: "FILE:LINE: what is wrong and the
/// nearest valid name".
Result<BurninConfig> load_burnin(const std::filesystem::path& path);

}  // namespace grit
