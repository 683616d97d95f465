#include "harness/health/checks/site_command.hpp"

#include <fmt/format.h>

#include <utility>

namespace grit {

ChildCommand site_command(const CheckInput& input, std::string_view check, std::string line) {
  ChildCommand command{.argv = {"/bin/sh", "-c", std::move(line)}, .environment = plain_environment()};
  command.environment.push_back("GRIT_CHECK=" + check_label({std::string(check), input.params.json()}));
  command.environment.push_back("GRIT_NODE=" + input.node.name);
  return command;
}

Status check_site_command(std::string_view param, std::string_view line) {
  if (!line.empty() && is_one_line(line)) return {};
  return usage_error(fmt::format("`{}` must be one line of 1 to {} bytes", param, kMaxCommand_bytes));
}

}  // namespace grit
