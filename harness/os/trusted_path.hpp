// Who can put something else in the place of a file or directory?
#pragma once

#include <sys/types.h>

#include <filesystem>

namespace grit {

constexpr uid_t kNobody = 65534;  // what NFS takes root for, and the kernel users it cannot name

/// Of the directories above one, the first in which everybody can rename what is there: it is writable for all and has
/// no sticky bit (inode(7)). Empty: none. What does not exist yet is root's when grit has made it.
std::filesystem::path replaceable_by_all(const std::filesystem::path& path);

/// Is this path, an absolute one, and every directory and symbolic link on the way to it, of root, of this process's
/// user, of nobody (which stands for users that a user namespace or an NFS share does not name) or of `also`, none of
/// the directories above replaceable_by_all(), and itself writable for its owner alone, or for the group that has its
/// owner's number, which is his own? False, too, when there is no such path.
bool is_trusted_path(const std::filesystem::path& path, uid_t also);

/// Can nobody but root and this process's user change this file, or put another in its place? For what this process
/// runs as it stands there, and so without is_trusted_path()'s allowance for nobody and for groups. `real` is a
/// canonical path: its own writable for its owner alone, every directory above it, too, unless it has the sticky bit
/// (inode(7): there nobody renames what is another's), and all of root or of this process's user. False, too, when
/// there is no such file or `real` leads over a symbolic link.
bool is_safe_to_run(const std::filesystem::path& real);

}  // namespace grit
