#!/usr/bin/env python3
"""Health checks of hardware, in a guest whose drive, memory and PCI devices can be made to fail.

Takes GRIT_VM_DIRECTORY and GRIT_BINARY.
"""

import json
import os
import socket
import sys
import time
from pathlib import Path

import lab

BOOT_S, READING_S, END_S = 120, 60, 240

# The kernel's struct aer_error_inj: bus 1, device 0, function 0; no uncorrectable error; of the correctable ones "bad TLP".
AER_ERROR = "\\x01\\x00\\x00\\x00" + "\\x00" * 4 + "\\x40\\x00\\x00\\x00" + "\\x00" * 20

SCRIPT = r"""
cat > checks.lua <<'EOF'
local grit = require "grit"
return {
  grit.check.nvme_smart { limit = "30s" }, grit.check.machine_check { limit = "30s" }, grit.check.pcie_link { limit = "30s" },
  grit.check.disk_space { limit = "30s", directories = "/run/disk" }, grit.check.disk_latency { limit = "30s" },
}
EOF
look() { "$GRIT" check --config checks.lua --state state --json > "$1.new"; mv "$1.new" "$1"; }
mkfs.ext4 -q -F /dev/nvme0n1 && mkdir /run/disk && mount /dev/nvme0n1 /run/disk || exit 1
look well
echo broken > /sys/fs/ext4/nvme0n1/trigger_fs_error
printf '@AER_ERROR@' > bad_packet
for i in $(seq 10); do cat bad_packet > /dev/aer_inject; sleep 0.2; done
python3 -c '
import ctypes, mmap
memory = mmap.mmap(-1, 2 * mmap.PAGESIZE)
memory[mmap.PAGESIZE] = 1
address = ctypes.addressof(ctypes.c_char.from_buffer(memory)) + mmap.PAGESIZE
MADV_HWPOISON = 100
assert ctypes.CDLL(None).madvise(ctypes.c_void_p(address), mmap.PAGESIZE, MADV_HWPOISON) == 0' || exit 1
echo yes > ready
for i in $(seq 100); do [ -e drive_is_ill ] && break; sleep 0.2; done
look ill
umount /run/disk
dmsetup create --noudevsync slow --table "0 $(blockdev --getsz /dev/nvme0n1) delay /dev/nvme0n1 0 40" || exit 1
dmsetup mknodes
for i in 1 2 3 4; do (while :; do dd if=/dev/mapper/slow of=/dev/null iflag=direct bs=4k count=100; done 2>/dev/null) & done
for i in 1 2 3; do sleep 2; look slow; done
exit 0
"""


def set_drive(monitor, bits):
    """The bits of the drive's warning byte in its health log, by QEMU's monitor."""
    with socket.socket(socket.AF_UNIX) as line:
        line.connect(str(monitor))
        line.sendall(f"qom-set /machine/peripheral/nvme0 smart_critical_warning {bits}\n".encode())
        time.sleep(0.5)


def severities(share, name):
    """By check and subject."""
    checks = json.loads((share / name).read_text())["checks"]
    return {(one["check"], outcome.get("subject", "")): outcome for one in checks for outcome in one["outcomes"]}


def must_be(share, name, expected):
    found = severities(share, name)
    for key, severity in expected.items():
        assert key in found and found[key]["severity"] == severity, f"{name}: {key} is not {severity}: {json.dumps(found.get(key, sorted(found)))}"


def run(directory, kernel):
    disk, monitor = directory / "hardware.img", directory / "monitor"
    disk.write_bytes(b"")
    os.truncate(disk, 64 << 20)
    monitor.unlink(missing_ok=True)
    devices = ("-drive", f"file={disk},if=none,id=disk,format=raw", "-device", "nvme,serial=x,drive=disk,id=nvme0",
               "-device", "pcie-root-port,id=root0,chassis=1,slot=1", "-device", "e1000e,bus=root0",
               "-monitor", f"unix:{monitor},server,nowait")  # fmt: skip
    with lab.Guest(directory, kernel, name="hardware", modules=("nvme", "ext4", "dm_delay", "aer_inject", "e1000e"), qemu_args=devices) as guest:
        guest.start(SCRIPT.replace("@AER_ERROR@", AER_ERROR).replace("$GRIT", os.environ["GRIT_BINARY"]))
        assert guest.gets_to("ready", BOOT_S + READING_S) and guest.running, guest.console()
        set_drive(monitor, 4)
        (guest.share / "drive_is_ill").write_text("")
        ending = guest.wait(END_S)
        assert ending.exit_code == 0 and not ending.problems, ending
        subjects = {"drive": ("nvme_smart", "nvme0"), "memory": ("machine_check", "pages"), "link": ("pcie_link", "0000:01:00.0"),
                    "space": ("disk_space", "/run/disk"), "delay": ("disk_latency", "dm-0")}  # fmt: skip
        must_be(guest.share, "well", {subjects[one]: "ok" for one in ("drive", "memory", "link", "space")})
        must_be(guest.share, "ill", {subjects["drive"]: "critical", subjects["memory"]: "warning", subjects["link"]: "warning", subjects["space"]: "critical"})
        must_be(guest.share, "slow", {subjects["delay"]: "warning"})
        print(f"all five alarmed, in {ending.seconds:.0f} s")


def main():
    directory = Path(os.environ["GRIT_VM_DIRECTORY"])
    try:
        run(directory, lab.kernel(directory / "kernel"))
    except lab.Unavailable as why:
        lab.skip(str(why))


if __name__ == "__main__":
    sys.exit(main())
