"""The file system that holds grit's program, its libraries and the run directory hangs while a link is down: the link comes
back in time all the same, and the run ends when the file system answers again.

The file system is bindfs (FUSE), whose process is stopped: from then on whoever touches a page or a file of it waits.

usage: test_hanging_files.py [SECONDS DOWN]"""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from gritlib import GRIT, Workspace, assert_same_state, children_of, cmdline, events, machine_state, skip, start, terminate, verdict

DOWN_S = float(sys.argv[1]) if len(sys.argv) > 1 else 4.0
LATE_S = 1.0  # a busy machine; the agent itself is some milliseconds late
VICTIM = 1

SCENARIO = f"""
local grit = require "grit"
return grit.scenario {{
  name = "hanging_files", summary = "a link is down while grit's own files cannot be read",
  workload = grit.workload.ddp {{ model = "gpt2-small", scale = 0.01 }},
  faults = {{ grit.fault.link_down {{ on = {VICTIM}, after = "300ms", lasts = "{DOWN_S}s" }} }},
  design = {{ pairs = 6, block = "{DOWN_S + 2}s", warmup = 1, hang = "{DOWN_S + 60}s" }},
  expect = {{ slowdown = {{ at_least = "1%" }} }},
}}
"""


class Bindfs:
    """SOURCE, as seen through a process of its own."""

    def __init__(self, source, mount):
        mount.mkdir()
        # kernel_cache: as on NFS, a file that somebody opens keeps the pages that are in memory. Without it FUSE takes
        # them from under everybody, also those that are locked.
        self.mount = mount
        self.process = subprocess.Popen(["bindfs", "-f", "-o", "allow_other,kernel_cache", str(source), str(mount)])
        deadline = time.monotonic() + 10
        while not os.path.ismount(mount):
            assert self.process.poll() is None and time.monotonic() < deadline, "bindfs does not come up"
            time.sleep(0.02)

    def hang(self):
        """From now on nothing is read. What the kernel still keeps of the files, and no process has mapped, goes."""
        kept = [os.open(file, os.O_RDONLY) for file in [self.mount / "grit", *(self.mount / "lib").iterdir()]]
        os.kill(self.process.pid, signal.SIGSTOP)
        for file in kept:
            os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(file)

    def go_on(self):
        os.kill(self.process.pid, signal.SIGCONT)

    def end(self):
        self.go_on()
        subprocess.run(["umount", "-l", str(self.mount)], check=True)
        self.process.terminate()
        self.process.wait(10)


def install(directory):
    """grit and every library it is linked with."""
    (directory / "lib").mkdir(parents=True)
    shutil.copy(GRIT, directory / "grit")
    for line in subprocess.run(["ldd", GRIT], capture_output=True, text=True, check=True).stdout.splitlines():
        if "=>" in line:
            shutil.copy(line.split("=>")[1].split()[0], directory / "lib")


def rank_of(process, node):
    """A process in that node's network namespace: the rank there."""
    for pid in children_of(process.pid):
        words = cmdline(pid).split()
        if len(words) > 1 and os.path.basename(words[0]) == "grit" and words[1] == "rank":
            if Path(f"/proc/{pid}/root/etc/hostname").exists() and host_name(pid) == f"node{node}":
                return pid
    return None


def host_name(pid):
    return subprocess.run(["nsenter", "-t", str(pid), "-u", "hostname"], capture_output=True, text=True).stdout.strip()


def is_up(pid):
    said = subprocess.run(["nsenter", "-t", str(pid), "-n", "ip", "-o", "link", "show", "eth0"], capture_output=True, text=True, check=True).stdout
    return ",UP" in said.split(">")[0]


def program_in_memory(pid):
    """KiB of grit's code that the process has mapped, and how much of it is in memory."""
    size = resident = 0
    of_program = False
    for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
        words = line.split()
        if "-" in words[0]:
            of_program = words[-1].endswith("/files/grit") and words[1] == "r-xp"
        elif of_program and words[0] in ("Size:", "Rss:"):
            size, resident = size + int(words[1]) * (words[0] == "Size:"), resident + int(words[1]) * (words[0] == "Rss:")
    return size, resident


def wait_until(what, condition, limit_s):
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {limit_s:.0f} s: {what}"
        time.sleep(0.01)
    return time.monotonic()


if os.getuid() != 0:
    skip("only root may mount a file system that others use")
if shutil.which("bindfs") is None or not os.path.exists("/dev/fuse"):
    skip("bindfs (FUSE) is not here")

before = machine_state()
with Workspace() as work:
    install(work.path / "real")
    files = Bindfs(work.path / "real", work.path / "files")
    try:
        environment = {"LD_LIBRARY_PATH": str(files.mount / "lib")}
        process = start("run", work.write("hanging.lua", SCENARIO), "--out", files.mount / "run", "-n", 4, env=environment, program=files.mount / "grit")
        try:
            wait_until("ranks", lambda: process.poll() is not None or rank_of(process, VICTIM), 60)
            assert process.poll() is None, process.communicate()
            rank = rank_of(process, VICTIM)
            down_at = wait_until("the link is down", lambda: not is_up(rank), 60)
            files.hang()
            agents = [pid for pid in children_of(process.pid) if Path(f"/proc/{pid}/comm").read_text().strip() == "grit-agent"]
            kept = [program_in_memory(pid) for pid in agents]
            assert len(kept) == 4 and all(0 < size == resident for size, resident in kept), kept
            up_at = wait_until("the link is up again", lambda: is_up(rank), DOWN_S + 30)
            print(f"down for {up_at - down_at:.2f} s of {DOWN_S:.2f} s, while grit's own files could not be read", flush=True)
            assert up_at - down_at < DOWN_S + LATE_S
            files.go_on()
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=90)
        finally:
            files.go_on()
            terminate(process)
        reverted = [e for e in events(work.path / "real/run", "fault") if e["action"] == "reverted"]
        assert reverted and all(e["ok"] for e in reverted), reverted
        assert not [e for e in events(work.path / "real/run") if e["type"] == "residue"]
        verdict(work.path / "real/run")
    finally:
        files.end()
assert_same_state(before)
