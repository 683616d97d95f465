// A line of the site's for a shell, as the checks run it that a site brings itself.
#pragma once

#include <string>
#include <string_view>

#include "harness/health/check.hpp"
#include "harness/os/child_process.hpp"

namespace grit {

/// By /bin/sh -c, in plain_environment(), and told its own name and its node's. `check`: the plug-in's name.
ChildCommand site_command(const CheckInput& input, std::string_view check, std::string line);

/// Error (usage): it is no single line, or too long. `param`: whose value it is.
Status check_site_command(std::string_view param, std::string_view line);

}  // namespace grit
