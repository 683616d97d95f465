#!/usr/bin/env python3
"""Health checks of hardware, in a guest whose drive, memory and PCI devices can be made to fail; smartctl beside grit's own.

Takes GRIT_VM_DIRECTORY, GRIT_BINARY and GRIT_HEALTH_TESTS.
"""

import json
import os
import sys
from pathlib import Path

import lab

BOOT_S, READING_S, END_S = 120, 120, 240
NODE_MB = 384  # each of two NUMA nodes has
MODULES = ("nvme", "ext4", "dm_delay", "aer_inject", "e1000e", "rdma_rxe", "ib_uverbs")

# The kernel's struct aer_error_inj: bus 1, device 0, function 0; no uncorrectable error; of the correctable ones "bad TLP".
AER_ERROR = "\\x01\\x00\\x00\\x00" + "\\x00" * 4 + "\\x40\\x00\\x00\\x00" + "\\x00" * 20

SCRIPT = r"""
cat > checks.lua <<'EOF'
local grit = require "grit"
local checks = { grit.check.command { limit = "30s", command = "@SMARTCTL@ -H /dev/nvme0", exit = "bitmask", subject = "nvme0" } }
for _, name in ipairs { "nvme_smart", "machine_check", "pcie_link", "disk_latency", "clock", "memory_room", "numa_memory" } do
  checks[#checks + 1] = grit.check[name] { limit = "30s" }
end
checks[#checks + 1] = grit.check.disk_space { limit = "30s", directories = "/run/disk" }
return checks
EOF
look() { "@GRIT@" check --config checks.lua --state state --json > "$1.new"; mv "$1.new" "$1"; }
mkfs.ext4 -q -F /dev/nvme0n1 && mkdir /run/disk && mount /dev/nvme0n1 /run/disk || exit 1
ip address add 10.0.0.1/24 dev eth0 && ip link set eth0 up && rdma link add rxe0 type rxe netdev eth0 || exit 1
for i in $(seq 50); do rdma link show rxe0/1 | grep -q 'state ACTIVE' && break; sleep 0.2; done
look well
"@HEALTH_TESTS@" "[.guest]" || exit 1  # kernel_log with an error of ext4, which disk_space sees below; rdma_ports; irq_placement
printf '@AER_ERROR@' > bad_packet
for i in $(seq 10); do cat bad_packet > /dev/aer_inject; sleep 0.2; done
python3 -c '
import ctypes, mmap
memory = mmap.mmap(-1, 2 * mmap.PAGESIZE)
memory[mmap.PAGESIZE] = 1
address = ctypes.addressof(ctypes.c_char.from_buffer(memory)) + mmap.PAGESIZE
MADV_HWPOISON = 100
assert ctypes.CDLL(None).madvise(ctypes.c_void_p(address), mmap.PAGESIZE, MADV_HWPOISON) == 0' || exit 1
taskset -c 0 python3 -c 'b"x" * (@NODE_MB@ << 20)' || exit 1
mkdir /sys/fs/cgroup/small && echo 20M > /sys/fs/cgroup/small/memory.max || exit 1
bash -c 'echo $$ > /sys/fs/cgroup/small/cgroup.procs; exec python3 -c "b\"x\" * (100 << 20)"' && exit 1
date -s '+10 minutes'
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


def severities(share, name):
    """By check and subject."""
    checks = json.loads((share / name).read_text())["checks"]
    return {(one["check"], outcome.get("subject", "")): outcome for one in checks for outcome in one["outcomes"]}


def must_be(share, name, check, subject, severity):
    found = severities(share, name)
    key = (check, subject)
    assert key in found and found[key]["severity"] == severity, f"{name}: {key} is not {severity}: {json.dumps(found.get(key, sorted(found)))}"


def proves(check, subject, share, name, severity):
    """This reading is the check's alarm at the real thing: tests/unit/health/test_proofs.cpp reads who says so."""
    assert severity in ("warning", "critical")
    must_be(share, name, check, subject, severity)


def run(directory, kernel, smartctl):
    disk, monitor = directory / "hardware.img", directory / "monitor"
    disk.write_bytes(b"")
    os.truncate(disk, 64 << 20)
    monitor.unlink(missing_ok=True)
    devices = ("-drive", f"file={disk},if=none,id=disk,format=raw", "-device", "nvme,serial=x,drive=disk,id=nvme0",
               "-device", "pcie-root-port,id=root0,chassis=1,slot=1", "-netdev", "hubport,id=hub0,hubid=0", "-device", "e1000e,bus=root0,netdev=hub0",
               "-object", f"memory-backend-ram,id=ram0,size={NODE_MB}M", "-numa", "node,nodeid=0,cpus=0,memdev=ram0",
               "-object", f"memory-backend-ram,id=ram1,size={NODE_MB}M", "-numa", "node,nodeid=1,cpus=1,memdev=ram1",
               "-monitor", f"unix:{monitor},server,nowait")  # fmt: skip
    values = {"@AER_ERROR@": AER_ERROR, "@GRIT@": os.environ["GRIT_BINARY"], "@HEALTH_TESTS@": os.environ["GRIT_HEALTH_TESTS"],
              "@SMARTCTL@": str(smartctl), "@NODE_MB@": str(NODE_MB)}  # fmt: skip
    script = SCRIPT
    for name, value in values.items():
        script = script.replace(name, value)
    with lab.Guest(directory, kernel, name="hardware", modules=MODULES, memory_mb=2 * NODE_MB, qemu_args=devices) as guest:
        guest.start(script)
        assert guest.gets_to("ready", BOOT_S + READING_S) and guest.running, guest.console()
        lab.tell(monitor, "qom-set /machine/peripheral/nvme0 smart_critical_warning 4")  # the warning byte of the drive's health log
        (guest.share / "drive_is_ill").write_text("")
        ending = guest.wait(END_S)
        assert ending.exit_code == 0 and not ending.problems, ending
        share = guest.share
        for check, subject in (("nvme_smart", "nvme0"), ("command", "nvme0"), ("machine_check", "pages"), ("pcie_link", "0000:01:00.0"), ("disk_space", "/run/disk"),
                               ("clock", "steps")):  # fmt: skip
            must_be(share, "well", check, subject, "ok")
        proves("nvme_smart", "nvme0", share, "ill", "critical")
        proves("command", "nvme0", share, "ill", "critical")  # smartctl
        proves("machine_check", "pages", share, "ill", "warning")
        proves("pcie_link", "0000:01:00.0", share, "ill", "warning")
        proves("disk_space", "/run/disk", share, "ill", "critical")
        proves("clock", "steps", share, "ill", "critical")
        proves("memory_room", "oom_kill", share, "ill", "warning")
        proves("numa_memory", "allocations", share, "ill", "warning")
        proves("disk_latency", "dm-0", share, "slow", "warning")
        print(f"all alarmed, in {ending.seconds:.0f} s")


def main():
    directory = Path(os.environ["GRIT_VM_DIRECTORY"])
    try:
        run(directory, lab.kernel(directory / "kernel"), lab.program("smartmontools", "usr/sbin/smartctl", directory / "packages"))
    except lab.Unavailable as why:
        lab.skip(str(why))


if __name__ == "__main__":
    sys.exit(main())
