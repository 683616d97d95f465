#include "harness/cli/manual.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <filesystem>
#include <memory>
#include <vector>

#include "grit_version.hpp"
#include "harness/base/files.hpp"
#include "harness/base/shell_words.hpp"
#include "harness/cli/commands.hpp"

namespace grit {
namespace {

constexpr const char* kFiles = R"(.SH FILES
.TP
.I runs/<scenario>/<UTC time>\-<seed>
what a run leaves: verdict.json, report.html, junit.xml, plan.json and more;
.I runs/<scenario>/latest
is a link to the newest
.TP
.I /var/lib/grit/journal
root's undo journals, from which
.B grit revert
takes off what a killed run has left behind
.SH ENVIRONMENT
.TP
.B GRIT_SCENARIOS
directories of scenarios that are found by name, separated by colons, before those that come with grit
.TP
.BR GRIT_MANAGEMENT_NICS ", " GRIT_DATA_NICS
interfaces that must not be disturbed, and those that carry the job's data, where grit cannot tell
.TP
.B GRIT_NVML_LIBRARY
what health checks of GPUs load instead of NVIDIA's libnvidia-ml.so.1; as root only a file that nobody else can have put there
.TP
.B GRIT_LAUNCH_TIMEOUT
after how long a launch in which not all ranks have met is given up (2 minutes)
)";

/// Text as roff takes it: no escapes, and no line that is a request.
std::string roff(const std::string& text) {
  std::string out;
  for (const char c : text) {
    const bool first = out.empty() || out.back() == '\n';
    if (first && (c == '.' || c == '\'')) out += "\\&";
    if (c == '\\')
      out += "\\e";
    else if (c == '-')
      out += "\\-";
    else
      out += c;
  }
  return out;
}

/// Lines as they are.
std::string verbatim(const std::string& text) { return ".nf\n" + roff(text) + "\n.fi\n"; }

/// Commands for people; those that grit starts itself have no group.
std::vector<const CLI::App*> commands_of(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App* one) { return !one->get_group().empty(); });
}

std::vector<std::string> names_of(const CLI::Option& option) {
  std::vector<std::string> names;
  for (const std::string& name : option.get_snames()) names.push_back("-" + name);
  for (const std::string& name : option.get_lnames()) names.push_back("--" + name);
  return names;
}

bool is_flag(const CLI::Option& option) { return option.get_items_expected_max() == 0; }

std::string option_entry(const CLI::Option& option) {
  const auto names = names_of(option);
  const std::string head =
      option.get_positional() && names.empty() ? option.get_name() : fmt::format("{}", fmt::join(names, ", "));
  return fmt::format(".TP\n.B {}{}\n{}\n", roff(head), is_flag(option) || names.empty() ? "" : " VALUE",
                     roff(option.get_description()));
}

std::string options_section(const CLI::App& command) {
  std::string text = ".SH OPTIONS\n";
  for (const CLI::Option* option : command.get_options()) text += option_entry(*option);
  return text;
}

std::string head(const std::string& name, const std::string& summary) {
  std::string upper = name;
  for (char& c : upper) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return fmt::format(".TH {} 1 \"\" \"grit {}\" \"grit\"\n.SH NAME\n{} \\- {}\n", roff(upper), roff(kVersion),
                     roff(name), roff(summary));
}

std::string synopsis(const CLI::App& command) {
  std::string text = fmt::format(".SH SYNOPSIS\n.B grit {}\n", roff(command.get_name()));
  for (const CLI::Option* option : command.get_options([](const CLI::Option* one) { return one->get_positional(); }))
    text += option->get_required() ? fmt::format(".I {}\n", roff(option->get_name()))
                                   : fmt::format(".RI [ {} ]\n", roff(option->get_name()));
  return text + ".RI [ options ]\n";
}

/// Text in brackets, as _arguments of zsh takes it.
std::string zsh_text(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\' || c == '[' || c == ']' || c == ':') out += '\\';
    out += c;
  }
  return out;
}

/// As _arguments takes it: (-n --nodes)-n[help]:value:_default. One that may be given again has a star.
std::string zsh_option(const CLI::Option& option) {
  const auto names = names_of(option);
  const bool again =
      option.get_items_expected_max() > 1 || option.get_multi_option_policy() == CLI::MultiOptionPolicy::TakeAll;
  const std::string value = is_flag(option)                        ? ""
                            : option.get_items_expected_min() == 0 ? "::value:_default"
                                                                   : ":value:_default";
  std::string text;
  for (const std::string& name : names)
    text += fmt::format("        {}\n",
                        shell_word(fmt::format("{}{}[{}]{}", again ? "*" : fmt::format("({})", fmt::join(names, " ")),
                                               name, zsh_text(option.get_description()), value)));
  return text;
}

Status write_all(const CLI::App& app, const std::filesystem::path& directory) {
  std::error_code failed;
  std::filesystem::create_directories(directory / "man1", failed);
  if (failed) return unavailable_error(fmt::format("cannot make {}: {}", directory.string(), failed.message()));
  GRIT_CHECK(write_file_durably(directory / "man1" / "grit.1", man_page(app)));
  for (const CLI::App* command : commands_of(app))
    GRIT_CHECK(write_file_durably(directory / "man1" / fmt::format("grit-{}.1", command->get_name()),
                                  man_page(app, *command)));
  GRIT_CHECK(write_file_durably(directory / "grit.bash", bash_completion(app)));
  GRIT_CHECK(write_file_durably(directory / "grit.fish", fish_completion(app)));
  return write_file_durably(directory / "_grit", zsh_completion(app));
}

}  // namespace

std::string man_page(const CLI::App& app) {
  std::string text = head("grit", "throws faults into a training cluster, and measures and proves what they cost");
  text += ".SH SYNOPSIS\n.B grit\n.I command\n.RI [ arguments ]\n.SH DESCRIPTION\n" + verbatim(app.get_description());
  text += ".SH COMMANDS\n";
  for (const CLI::App* command : commands_of(app))
    text += fmt::format(".TP\n.BR grit\\-{} (1)\n{}\n", roff(command->get_name()), roff(command->get_description()));
  return text + options_section(app) + ".SH EXIT STATUS\n" + verbatim(app.get_footer()) + kFiles;
}

std::string man_page(const CLI::App& app, const CLI::App& command) {
  std::string text = head("grit-" + command.get_name(), command.get_description()) + synopsis(command);
  text += fmt::format(".SH DESCRIPTION\n{}.\n", roff(command.get_description())) + options_section(command);
  if (!command.get_footer().empty()) text += ".SH EXAMPLES\n" + verbatim(command.get_footer());
  return text + ".SH EXIT STATUS\n" + verbatim(app.get_footer()) + ".SH SEE ALSO\n.BR grit (1)\n";
}

std::string bash_completion(const CLI::App& app) {
  std::vector<std::string> commands;
  std::string options;
  for (const CLI::App* command : commands_of(app)) {
    commands.push_back(command->get_name());
    std::vector<std::string> names;
    for (const CLI::Option* option : command->get_options())
      for (const std::string& name : names_of(*option)) names.push_back(name);
    options += fmt::format("    {}) words='{}' ;;\n", command->get_name(), fmt::join(names, " "));
  }
  constexpr std::string_view kScript = R"BASH(# bash completion for grit, made by the program of its own help
_grit() {
  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} command=${COMP_WORDS[1]} words='' word
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W 'COMMANDS --help --version' -- "$cur"))
    return
  fi
  case $command in
OPTIONS  esac
  case $command in
    run|plan|score)
      # The options of the scenario that is named already.
      for word in "${COMP_WORDS[@]:2:COMP_CWORD-2}"; do
        case $word in
          -*) ;;
          *) words+=" $(grit "$command" "$word" --help 2>/dev/null | sed -n 's/^  \(--[A-Za-z_][A-Za-z0-9_-]*\) .*/\1/p')" ;;
        esac
      done
      [ "${cur#-}" = "$cur" ] && [ "${prev#-}" = "$prev" ] && words+=" $(grit list scenarios 2>/dev/null | sed -n 's/^  \([A-Za-z_][A-Za-z0-9_-]*\)   *[^ ].*/\1/p')" ;;
    describe) words+=" timing $(grit list 2>/dev/null | sed -n 's/^  \([a-z_]*\)  *.*/\1/p')" ;;
    list) words+=' faults workloads checks scenarios' ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -o default -F _grit grit
)BASH";
  std::string script(kScript);
  script.replace(script.find("COMMANDS"), 8, fmt::format("{}", fmt::join(commands, " ")));
  script.replace(script.find("OPTIONS"), 7, options);
  return script;
}

std::string fish_completion(const CLI::App& app) {
  std::string text = "# fish completion for grit, made by the program of its own help\n";
  for (const CLI::App* command : commands_of(app)) {
    text += fmt::format("complete -c grit -n __fish_use_subcommand -f -a {} -d {}\n", command->get_name(),
                        shell_word(command->get_description()));
    for (const CLI::Option* option : command->get_options()) {
      std::string names;
      for (const std::string& name : option->get_snames()) names += " -s " + name;
      for (const std::string& name : option->get_lnames()) names += " -l " + name;
      if (!names.empty())
        text += fmt::format("complete -c grit -n '__fish_seen_subcommand_from {}'{}{} -d {}\n", command->get_name(),
                            names, is_flag(*option) ? "" : " -r", shell_word(option->get_description()));
    }
  }
  return text;
}

std::string zsh_completion(const CLI::App& app) {
  std::string commands, options;
  for (const CLI::App* command : commands_of(app)) {
    commands += fmt::format("    {}\n", shell_word(command->get_name() + ":" + zsh_text(command->get_description())));
    options += fmt::format("    {})\n      grit_options=(\n", command->get_name());
    for (const CLI::Option* option : command->get_options()) options += zsh_option(*option);
    options += "      ) ;;\n";
  }
  // Offsets into words are counted from 0 in this form, as in bash, in which a test runs this.
  constexpr std::string_view kScript = R"ZSH(#compdef grit
# zsh completion for grit, made by the program of its own help
_grit() {
  local context state state_descr line entry word command="${words[@]:1:1}"
  local -a grit_commands grit_options names
  typeset -A opt_args
  grit_commands=(
COMMANDS  )
  if [[ $CURRENT -eq 2 ]]; then
    _describe -t commands 'command of grit' grit_commands
    return
  fi
  case $command in
OPTIONS  esac
  case $command in
    run|plan|score)
      # The options of the scenario that is named already.
      for word in "${words[@]:2:CURRENT-3}"; do
        case $word in
          ''|-*) ;;
          *) while read -r entry; do grit_options+=("$entry"); done < <(grit "$command" "$word" --help 2>/dev/null |
               sed -n 's/^  \(--[A-Za-z_][A-Za-z0-9_-]*\) .*/\1[an option of the scenario]:value:_default/p') ;;
        esac
      done
      while read -r entry; do names+=("$entry"); done < <(grit list scenarios 2>/dev/null |
        sed -n 's/^  \([A-Za-z_][A-Za-z0-9_-]*\)   *[^ ].*/\1/p') ;;
    describe)
      names=(timing)
      while read -r entry; do names+=("$entry"); done < <(grit list 2>/dev/null | sed -n 's/^  \([a-z_]*\)  *.*/\1/p') ;;
    list) names=(faults workloads checks scenarios) ;;
  esac
  _arguments "${grit_options[@]}" '1: :' '*:argument:->argument' && return 0
  [[ $state == argument ]] || return 1
  [[ ${#names[@]} -gt 0 ]] && _describe -t names 'name' names
  _files
}
_grit "$@"
)ZSH";
  std::string script(kScript);
  script.replace(script.find("COMMANDS"), 8, commands);
  script.replace(script.find("OPTIONS"), 7, options);
  return script;
}

void add_manual(CLI::App& app, Action& action) {
  auto* command = app.add_subcommand("manual", "man pages and shell completion, for packages")->group("");
  auto directory = std::make_shared<std::string>();
  command->add_option("directory", *directory, "where to")->required();
  command->callback([directory, &app, &action] {
    action = [directory, &app]() -> Result<int> {
      GRIT_CHECK(write_all(app, *directory));
      return 0;
    };
  });
}

}  // namespace grit
