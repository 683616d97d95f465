// Is this machine a guest of a hypervisor? Then disks and PCI ports are not what they say they are.
#pragma once

#include <filesystem>

namespace grit {

/// By the processor's flag "hypervisor" (x86), by the kernel's own word of it (Xen), or by the device tree (Arm).
/// `proc` and `sys` are where the kernel's files are.
bool in_virtual_machine(const std::filesystem::path& proc = "/proc", const std::filesystem::path& sys = "/sys");

}  // namespace grit
