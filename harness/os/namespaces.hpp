// Typed wrappers over namespaces(7), user_namespaces(7), pid_namespaces(7) and mount(2).
//
// Flags are CLONE_NEWNET, CLONE_NEWNS ... of <sched.h>. All of these act on the calling thread or process; call them
// while there is one thread only.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>

#include "harness/base/fd.hpp"
#include "harness/base/result.hpp"

namespace grit {

/// unshare(2). Error (unavailable): not permitted; the message says what to do.
Status unshare_namespaces(int flags);

/// A new user namespace in which the caller is root (its uid and gid are mapped to 0, setgroups denied). Needs no
/// privilege. Error (unavailable): forbidden on this machine; the message names the setting that forbids it.
Status enter_new_user_namespace();

/// Why this machine may forbid user namespaces and what to do about it, from the settings under proc_sys.
std::string user_namespace_advice(const std::filesystem::path& proc_sys = "/proc/sys");

/// fork(2) into a new pid namespace: the child is its process 1. The parent stays in its own and can fork again.
/// Returns 0 in the child, the child's pid (in the parent's namespace) in the parent. Needs
/// CAP_SYS_ADMIN, also over the user namespace that owns the caller's pid namespace.
Result<pid_t> fork_into_new_pid_namespace();

/// pidfd_open(2): a descriptor of a running process, which stays this process's even when its pid is used again.
Result<Fd> open_process(pid_t pid);

/// pidfd_getfd(2): the file that a process has open under this number; the same open file, not a second one of the same
/// name. Needs the right to ptrace the process.
Result<Fd> copy_descriptor(const Fd& process, int number);

/// setns(2) to all namespaces in flags of a running process, through a pidfd, so that a recycled pid cannot be half
/// entered. With CLONE_NEWPID only children forked afterwards are in that pid namespace. Error (internal): there is no
/// such process.
Status enter_namespaces_of(pid_t pid, int flags);

/// setns(2) to one namespace by a descriptor of it; type is its CLONE_NEW* flag.
Status enter_namespace(int fd, int type);

/// The descriptor of one namespace of a process, e.g. open_namespace(pid, "net"). Close-on-exec.
Result<Fd> open_namespace(pid_t pid, const char* type);

/// Error (unavailable): this process's root is not its mount namespace's (chroot(2)), so that entering a mount
/// namespace would leave the files that it sees now. Tried in a child; call with a mount namespace of one's own.
Status check_root_survives_entering();

/// From here on mounts made in this mount namespace are not seen in any other, nor theirs here.
Status make_mounts_private();
Status mount_tmpfs(const std::filesystem::path& target);
/// proc(5) of the caller's pid namespace. Error (unavailable): refused because parts of the present one are masked
/// (containers).
Status mount_proc(const std::filesystem::path& target);
/// sysfs(5) of the caller's network namespace. Errors as mount_proc.
Status mount_sysfs(const std::filesystem::path& target);
/// Makes source, with all that is mounted below it, visible at target too.
Status bind_mount(const std::filesystem::path& source, const std::filesystem::path& target);
Status move_mount(const std::filesystem::path& source, const std::filesystem::path& target);

Status set_hostname(const std::string& name);

}  // namespace grit
