// grit doctor: can this machine do what grit needs? Each line says what was tried and, where it failed, what to do.
#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <filesystem>

#include "grit_version.hpp"
#include "harness/agent/journal.hpp"
#include "harness/agent/journal_files.hpp"
#include "harness/base/files.hpp"
#include "harness/cli/commands.hpp"
#include "harness/cluster/discovery.hpp"
#include "harness/cluster/launch.hpp"
#include "harness/cluster/local.hpp"
#include "harness/os/namespaces.hpp"
#include "injectors/injector.hpp"

namespace grit {
namespace {

struct Line {
  bool good;
  std::string what;
  std::string detail;
};

/// Tries it in a child, which takes the namespaces with it. Empty: it works; otherwise why not.
std::string try_namespaces() {
  std::array<int, 2> ends{-1, -1};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return "cannot make a pipe";
  const Fd read_end(ends[0]);
  Fd write_end(ends[1]);
  const pid_t child = ::fork();
  if (child == 0) {
    Status done = ::geteuid() == 0 ? Status() : enter_new_user_namespace();
    if (done) done = unshare_namespaces(CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWIPC);
    if (!done && !write_all(write_end.get(), done.error().message)) ::_exit(1);
    ::_exit(0);
  }
  write_end.reset();
  std::string why;
  std::array<char, 1024> chunk{};
  for (ssize_t got = 0; (got = ::read(read_end.get(), chunk.data(), chunk.size())) > 0;)
    why.append(chunk.data(), static_cast<std::size_t>(got));
  if (child < 0 || ::waitpid(child, nullptr, 0) != child) return "cannot start a process";
  return why;
}

Line namespaces() {
  if (std::string why = try_namespaces(); !why.empty()) return {false, "local cluster", why};
  return {true, "local cluster",
          fmt::format("namespaces can be made {}; default size {} nodes", ::geteuid() == 0 ? "as root" : "without root",
                      default_local_nodes())};
}

Line mpirun() {
  const Status found = check_mpirun();
  return {found.has_value(), "Open MPI", found ? "mpirun is in PATH" : found.error().message};
}

Line journal() {
  const auto files = journals_of_this_node(default_journal_directory());
  if (!files) return {false, "undo journal", files.error().message};
  if (files->empty()) return {true, "undo journal", "nothing left to revert"};
  return {false, "undo journal", fmt::format("{} left by runs that were killed: run `grit revert`", files->size())};
}

Line nics() {
  const auto node = discover_node(DiscoveryHints{"runs"});
  if (!node) return {false, "interfaces", node.error().message};
  std::string text;
  for (const Nic& nic : node->nics) {
    if (nic.role == NicRole::other) continue;
    const char* role = nic.role == NicRole::data ? "data" : "management";
    text += fmt::format("{}{}: {} ({})", text.empty() ? "" : "; ", nic.name, role, nic.role_evidence);
  }
  return {true, "interfaces", text.empty() ? "none that is up" : text};
}

Line backends() {
  const auto word = [](bool have) { return have ? "found" : "not found"; };
  return {true, "built with",
          fmt::format("CUDA {}, NCCL {}, verbs {}", word(kHaveCuda), word(kHaveNccl), word(kHaveVerbs))};
}

Result<int> examine() {
  bool good = true;
  for (const Line& line : {namespaces(), mpirun(), nics(), journal(), backends()}) {
    fmt::print("{:<4} {:<14} {}\n", line.good ? "ok" : "no", line.what, line.detail);
    good = good && line.good;
  }
  return good ? 0 : static_cast<int>(ErrorKind::unavailable);
}

}  // namespace

void add_doctor(CLI::App& app, Action& action) {
  auto* command = app.add_subcommand("doctor", "say what works on this machine and what is missing");
  command->footer("example: grit doctor");
  command->callback([&action] { action = [] { return examine(); }; });
}

}  // namespace grit
