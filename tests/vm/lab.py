"""Guests under QEMU with a kernel of their own, for faults that the machine's kernel cannot do or would not survive.

A guest has the machine's root file system (read-only, over 9p, with a scratch layer in its memory on top), so that
every program of the machine runs in it under the same path. One directory is shared writable: results come back in
it, at once, so they survive even a guest that panics. Emulation needs no privileges and no KVM; it is slow.
"""

import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from kernel import Kernel, Unavailable, kernel, program

SKIP = 77  # ctest's SKIP_RETURN_CODE
MONITOR_S = 60

# Loaded before the shared directories are there; a line is a module and its options.
BASE_MODULES = ("virtio_pci", "9pnet_virtio", "9p", "overlay", "crc32_generic", "crc32c_generic")
NETWORK_MODULES = (
    "veth", "bridge", "8021q", "dummy numdummies=0", "bonding max_bonds=0", "ifb numifbs=0",
    "sch_netem", "sch_tbf", "sch_htb", "sch_prio", "sch_ingress", "sch_fq",
    "cls_u32", "cls_matchall", "cls_flower", "cls_bpf", "act_mirred", "act_gact", "act_police",
    "nf_tables", "nft_numgen", "nft_limit", "nft_ct", "nft_reject_inet", "nft_meta_bridge",
)  # fmt: skip

SHARE_OPTIONS = "trans=virtio,version=9p2000.L,access=any,msize=262144"

# From the initramfs, with busybox alone: everything that is executed from the shared root costs an emulated page-in.
FIRST_STAGE = """#!/bin/busybox sh
export PATH=/bin
/bin/busybox --install -s /bin
must() {{ "$@" || echo "grit-vm: failed: $*"; }}
mount -t proc proc /proc
while read -r module options; do
  must insmod "/modules/$module.ko" $options
done < /modules/order
echo > /proc/sys/kernel/modprobe  # no modules but those: the machine's are another kernel's
mkdir /host /scratch
must mount -t 9p -o ro,cache=loose,{share_options} host /host
must mount -t tmpfs -o mode=755 scratch /scratch
mkdir /scratch/upper /scratch/work /scratch/node
must mount -t overlay -o lowerdir=/host,upperdir=/scratch/upper,workdir=/scratch/work node /scratch/node
cd /scratch/node
must mount -t proc proc proc
must mount -t sysfs sysfs sys
must mount -t cgroup2 cgroup2 sys/fs/cgroup
must mount -t devtmpfs dev dev
mkdir -p dev/shm dev/pts
must mount -t tmpfs -o mode=1777 shm dev/shm
must mount -t devpts -o mode=620,ptmxmode=666 devpts dev/pts
must mount -t tmpfs -o mode=755 run run
must mount -t 9p -o {share_options} share ./{share}
cp /bin/busybox run/
hostname {name}
ip link set lo up
for controller in cpuset cpu memory io pids; do
  echo +$controller > sys/fs/cgroup/cgroup.subtree_control || echo "grit-vm: failed: $controller"
done
echo "grit-vm: the script starts $(cut -d' ' -f1 /proc/uptime) s after the kernel"
exec switch_root . {share}/second-stage
"""

# As process 1, with the machine's programs.
SECOND_STAGE = """#!/bin/bash
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8
cd {share}
/bin/bash ./script > output 2>&1 < /dev/null
echo $? > exit_code
/run/busybox sync
/run/busybox reboot -f
"""


def skip(why):
    print(f"SKIPPED: {why}", flush=True)
    sys.exit(SKIP)


def pack_newc(entries):
    """An initramfs from (name, mode, content) (Documentation/driver-api/early-userspace/buffer-format.rst)."""
    archive = bytearray()
    for inode, (name, mode, content) in enumerate([*entries, ("TRAILER!!!", 0, b"")], start=1):
        path = name.encode() + b"\0"
        fields = (inode, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(path), 0)
        for part in (b"070701" + b"".join(b"%08X" % one for one in fields) + path, content):
            archive += part
            archive += b"\0" * (-len(archive) % 4)
    return bytes(archive)


def static_busybox():
    path = shutil.which("busybox")
    if path is None:
        raise Unavailable("no busybox here: install busybox-static")
    if b"/ld-linux" in Path(path).read_bytes()[:4096]:
        raise Unavailable(f"{path} is linked dynamically: install busybox-static")
    return os.path.realpath(path)


@dataclass
class Ending:
    """How a guest ended. exit_code is the script's; None: the guest did not get to its end (timed out, or panicked)."""

    exit_code: int | None
    timed_out: bool
    seconds: float
    output: str
    console: str

    @property
    def panicked(self):
        return "Kernel panic" in self.console

    @property
    def problems(self):
        """What did not work on the way to the script: a module that does not load, a mount ..."""
        return [line for line in self.console.splitlines() if "grit-vm: failed" in line]


class Guest:
    """One guest, in a directory of its own. Use as a context manager: QEMU is ended with the block.

    modules: lines of a module's name and options, beside BASE_MODULES; what they depend on comes along.
    kernel_args, qemu_args: words added to the kernel's and QEMU's command line.
    share: the directory that is writable from both sides, under the same path; what the script leaves there comes back.
    """

    def __init__(self, directory, kernel: Kernel, *, name="guest", memory_mb=768, cpus=2, modules=NETWORK_MODULES,
                 kernel_args=(), qemu_args=()):  # fmt: skip
        self.directory = Path(os.path.realpath(directory)) / name
        self.share = self.directory / "share"
        self._name = name
        self._kernel = kernel
        self._memory_mb = memory_mb
        self._cpus = cpus
        self._modules = (*BASE_MODULES, *modules)
        self._kernel_args = kernel_args
        self._qemu_args = qemu_args
        self._busybox = static_busybox()
        self._qemu = None
        self._started = 0.0
        if shutil.which("qemu-system-x86_64") is None:
            raise Unavailable("no qemu-system-x86_64 here: install qemu-system-x86")
        shutil.rmtree(self.directory, ignore_errors=True)
        self.share.mkdir(parents=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def start(self, script):
        """Boots; the guest runs the script with bash, as root, and goes down."""
        values = {"share": shlex.quote(str(self.share)), "share_options": SHARE_OPTIONS, "name": self._name}
        (self.share / "script").write_text(script)
        second_stage = self.share / "second-stage"
        second_stage.write_text(SECOND_STAGE.format(**values))
        second_stage.chmod(0o755)
        initramfs = self.directory / "initramfs"
        initramfs.write_bytes(pack_newc(self._initramfs(FIRST_STAGE.format(**values))))
        # setpriv: QEMU must not outlive a test that is killed.
        command = ["setpriv", "--pdeathsig", "KILL", "qemu-system-x86_64", *self._machine(initramfs), *self._qemu_args]
        with (self.directory / "qemu").open("wb") as log:
            self._qemu = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self._started = time.monotonic()

    def _initramfs(self, init):
        folders = [(name, 0o040755, b"") for name in ("bin", "dev", "modules", "proc")]
        programs = [("init", 0o100755, init.encode()), ("bin/busybox", 0o100755, Path(self._busybox).read_bytes())]
        options = dict((line + " ").split(" ", 1) for line in self._modules)
        files = self._kernel.in_order(options)
        order = "".join(f"{file.stem} {options.get(file.stem, '')}\n" for file in files)
        return [*folders, ("modules/order", 0o100644, order.encode()), *programs,
                *((f"modules/{file.name}", 0o100644, file.read_bytes()) for file in files)]  # fmt: skip

    def _machine(self, initramfs):
        # tsc=reliable: an emulated TSC seems to drift against the other clocks, and would be given up. no_timer_check: where the
        # machine is busy the timer seems not to work, which the kernel would panic of.
        kernel_args = ["console=ttyS0", "loglevel=5", "panic=-1", "tsc=reliable", "no_timer_check", "nokaslr", "mitigations=off",
                       "random.trust_cpu=on", *self._kernel_args]  # fmt: skip
        return [
            "-accel", "tcg,thread=multi", "-cpu", "max", "-machine", "q35", "-smp", str(self._cpus),
            "-m", str(self._memory_mb), "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
            "-serial", f"file:{_escaped(self.directory / 'console')}",
            "-kernel", str(self._kernel.vmlinux), "-initrd", str(initramfs), "-append", " ".join(kernel_args),
            "-virtfs", "local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap",
            "-virtfs", f"local,path={_escaped(self.share)},mount_tag=share,security_model=none,multidevs=remap",
        ]  # fmt: skip

    def gets_to(self, name, timeout_s):
        """Has its script written this file in time, or ended?"""
        deadline = time.monotonic() + timeout_s
        while self.running and not self._text(self.share / name):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.2)
        return True

    def wait(self, timeout_s):
        """Until the guest is down, at most this long; then QEMU is ended."""
        timed_out = False
        try:
            self._qemu.wait(timeout_s)
        except subprocess.TimeoutExpired:
            timed_out = True
        self.stop()
        code = self._text(self.share / "exit_code").strip()
        return Ending(int(code) if code else None, timed_out, time.monotonic() - self._started,
                      self._text(self.share / "output"), self.console())  # fmt: skip

    def console(self):
        return self._text(self.directory / "console") + self._text(self.directory / "qemu")

    @staticmethod
    def _text(file):
        return file.read_text(errors="replace") if file.exists() else ""

    @property
    def running(self):
        return self._qemu is not None and self._qemu.poll() is None

    def stop(self):
        if self.running:
            self._qemu.send_signal(signal.SIGKILL)
            self._qemu.wait()


def tell(monitor, command):
    """What QEMU's monitor at this socket (qemu_args: "-monitor", "unix:PATH,server,nowait") answers to the command."""
    prompt = b"(qemu) "
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(MONITOR_S)
        line.connect(str(monitor))
        _read_to(line, prompt)
        line.sendall(command.encode() + b"\n")
        return _read_to(line, prompt).decode(errors="replace")


def _read_to(line, end):
    text = b""
    while not text.endswith(end):
        more = line.recv(4096)
        if not more:
            raise ConnectionError(f"QEMU's monitor ended: {text!r}")
        text += more
    return text


def _escaped(path):
    return str(path).replace(",", ",,")  # QEMU's option syntax
