#!/usr/bin/env python3
"""A burn-in of two guests over ssh, of which one panics in the middle of its cell: it is not good, the other is, and why is in the log.

The guest that panicked stays so: nothing answers, and nothing says that the connection is gone.
Takes GRIT_VM_DIRECTORY and GRIT_BINARY.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import lab

BOOT_S, CELL_S, BURNIN_S, END_S = 300, 180, 480, 120
OVER_LIMIT_S = 20  # of a cell: its launcher's start and end (5 s each), and what a busy machine needs
WELL, PANICS = "n0", "n1"
PANIC, PANIC_END = "Kernel panic - not syncing: sysrq triggered crash", "---[ end Kernel panic"
CELLS = ["compute/0/n0", "compute/0/n1", "compute/0/n1-alone-1", "facts/0/n0", "facts/0/n1", "facts_after/0/n0"]
LOST = {"compute/0/n1", "compute/0/n1-alone-1"}

# Two nodes have too few peers to be held against. The limit is one that any machine reaches.
CONFIG = f"""
return {{
  name = "panic",
  rounds = {{
    {{ name = "facts", kinds = {{ "facts" }}, limit = "{CELL_S}s" }},
    {{ name = "compute", kinds = {{ "compute" }}, length = "5s", limit = "{CELL_S}s" }},
    {{ name = "facts_after", kinds = {{ "facts" }}, limit = "{CELL_S}s" }},
  }},
  limits = {{ compute = {{ at_least = "1kFLOP/s" }} }},
}}
"""

# A guest's network is QEMU's own, which leads nowhere; a port of this machine's loopback leads to the guest's sshd.
NETWORK = "user,id=net0,restrict=on,hostfwd=tcp:127.0.0.1:0-:22"
SSHD_CONFIG = """
HostKey {0}/host_key
AuthorizedKeysFile {0}/key.pub
StrictModes no
UsePAM no
PermitRootLogin yes
PasswordAuthentication no
PidFile none
"""
GUEST = r"""
rm /etc/shadow && echo 'root:*:1::::::' > /etc/shadow  # root may come in with a key, whatever it may on the machine
mkdir /run/sshd
ip address add 10.0.2.15/24 dev eth0 && ip link set eth0 up && @SSHD@ -f sshd_config -E sshd_log || exit 1
echo yes > up
"""
WELL_GUEST = GUEST + r"""
until [ -e end ]; do sleep 0.2; done
/run/busybox pidof grit > left
exit 0
"""
# No sooner than its cell of this round is under way.
PANICKING_GUEST = GUEST + r"""
until pid=$(/run/busybox pidof grit) && tr '\0' ' ' < /proc/$pid/cmdline > running && grep -q 'kinds compute' running; do sleep 0.2; done
echo c > /proc/sysrq-trigger
"""


def needed(program):
    path = shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    if path is None:
        raise lab.Unavailable(f"no {program} here: install openssh-client and openssh-server")
    return path


class SshGuest(lab.Guest):
    """A guest that is reached by ssh under its name, with a key of its own."""

    def __init__(self, directory, kernel, name):
        self.monitor = directory / name / "monitor"
        super().__init__(directory, kernel, name=name, memory_mb=512, cpus=1, modules=("virtio_net",), kernel_args=("panic=0",),
                         qemu_args=("-netdev", NETWORK, "-device", "virtio-net-pci,netdev=net0,romfile=",
                                    "-monitor", f"unix:{self.monitor},server,nowait"))  # fmt: skip
        for key in ("host_key", "key"):
            subprocess.run([needed("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-f", str(self.share / key)], check=True)
        (self.share / "sshd_config").write_text(SSHD_CONFIG.format(self.share))

    def ssh_config(self):
        """The lines of its host. QEMU has chosen the port."""
        said = lab.tell(self.monitor, "info usernet")
        [port] = re.findall(r"HOST_FORWARD\]\s+\d+\s+127\.0\.0\.1\s+(\d+)\s+10\.0\.2\.15\s+22\s", said)
        name = self.directory.name
        return f"Host {name}\n  HostName 127.0.0.1\n  Port {port}\n  HostKeyAlias {name}\n  IdentityFile {self.share}/key\n"

    def known_host(self):
        return f"{self.directory.name} {(self.share / 'host_key.pub').read_text()}"


def write_ssh(directory, guests):
    """A program "ssh" that knows the guests by their names, in a directory that is returned."""
    (directory / "known_hosts").write_text("".join(guest.known_host() for guest in guests))
    (directory / "ssh_config").write_text(
        "".join(guest.ssh_config() for guest in guests)
        + f"Host *\n  User root\n  IdentitiesOnly yes\n  UserKnownHostsFile {directory}/known_hosts\n")  # fmt: skip
    program = directory / "bin/ssh"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {needed("ssh")} -F {directory}/ssh_config "$@"\n')
    program.chmod(0o755)
    return program.parent


def wait_for_ssh(programs, guest, deadline):
    """Until grit runs there by way of ssh. What each cell needs is then in the guest's memory, too: fetching it the first time is slow."""
    while True:
        words = [programs / "ssh", "-o", "BatchMode=yes", guest.directory.name, os.environ["GRIT_BINARY"], "--version"]
        done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=BOOT_S, check=False)
        if done.returncode == 0:
            return
        assert guest.running and time.monotonic() < deadline, f"{done}\n{guest.console()}"
        time.sleep(0.2)


class BurnIn:
    """Use as a context manager: it is ended with the block."""

    def __init__(self, directory, programs):
        (directory / "panic.lua").write_text(CONFIG)
        self.out = directory / "out"
        words = [os.environ["GRIT_BINARY"], "burnin", "--hosts", f"{WELL},{PANICS}", "--launcher", "mpirun", "--config", str(directory / "panic.lua"),
                 "--console", f"{directory}/%n/console", "--out", str(self.out)]  # fmt: skip
        self._said = directory / "said"
        with self._said.open("wb") as said:
            self._process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *words], stdin=subprocess.DEVNULL, stdout=said, stderr=said,
                                             env={**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"})  # fmt: skip

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait()
        print(self._said.read_text(), flush=True)

    def gets_to(self, what, condition, limit_s):
        deadline = time.monotonic() + limit_s
        while not condition():
            assert self._process.poll() is None, f"the burn-in ended before {what}"
            assert time.monotonic() < deadline, f"not within {limit_s} s: {what}"
            time.sleep(0.2)

    def wait(self):
        return self._process.wait(BURNIN_S)


def check_report(out, code):
    assert code == 2, f"exit code {code}: none is bad, and one is not tested"
    nodes = {node["host"]: node for node in json.loads((out / "burnin.json").read_text())["nodes"]}
    assert nodes[WELL]["state"] == "good" and not nodes[WELL]["findings"], nodes[WELL]
    assert nodes[PANICS]["state"] == "not_tested", nodes[PANICS]
    for part in ("did not answer any more in compute/0/n1", "its kernel said: ", PANIC):
        assert part in nodes[PANICS]["reason"], f"{part!r} is not in {nodes[PANICS]['reason']!r}"
    assert (out / "good_hosts").read_text() == f"{WELL}\n"
    assert PANIC in (out / "burnin.html").read_text()


def check_log(out):
    lines = [json.loads(line) for line in (out / "burnin.jsonl").read_text().splitlines()]
    started = [line["cell"]["id"] for line in lines if line["type"] == "cell_started"]
    done = {line["result"]["cell"]["id"]: line["result"] for line in lines if line["type"] == "cell_done"}
    assert sorted(started) == sorted(done) == CELLS, (started, done)
    assert {id for id, result in done.items() if result["end"] != "completed"} == LOST, done
    for id in LOST:
        kernel = done[id]["kernel_lines"][PANICS]
        assert PANIC in kernel[0] and PANIC_END in kernel[-1], kernel
        print(f"{id}: {done[id]['end']} after {done[id]['took_ns'] / 1e9:.1f} s: {done[id]['words'].strip()}; {kernel[0]}")
    for id, result in done.items():
        assert result["took_ns"] < (CELL_S + OVER_LIMIT_S) * 1e9, f"{id}: its limit is {CELL_S} s: {result['took_ns']} ns"


def processes_with(word):
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = file.read_bytes().split(b"\0")
        except OSError:
            continue
        if word.encode() in words:
            found.append(words)
    return found


def run(directory, kernel):
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    sshd = needed("sshd")
    with SshGuest(directory, kernel, WELL) as well, SshGuest(directory, kernel, PANICS) as panics:
        well.start(WELL_GUEST.replace("@SSHD@", sshd))
        panics.start(PANICKING_GUEST.replace("@SSHD@", sshd))
        deadline = time.monotonic() + BOOT_S
        for guest in (well, panics):
            assert guest.gets_to("up", deadline - time.monotonic()) and guest.running, guest.console()
        programs = write_ssh(directory, (well, panics))
        for guest in (well, panics):
            wait_for_ssh(programs, guest, deadline)
        started = time.monotonic()
        with BurnIn(directory, programs) as burnin:
            burnin.gets_to("the panic", lambda: PANIC_END in panics.console(), BURNIN_S)
            lab.tell(panics.monitor, "stop")  # it would go on turning in a circle, and take the other guest's time
            panicked = time.monotonic()
            code = burnin.wait()
        assert "--kinds compute --hosts n1 " in (panics.share / "running").read_text(), "its cell was being measured when it panicked"
        check_report(burnin.out, code)
        check_log(burnin.out)
        assert not processes_with(f"{directory}/ssh_config"), processes_with(f"{directory}/ssh_config")
        (well.share / "end").write_text("")
        ending = well.wait(END_S)
        assert ending.exit_code == 0 and not ending.problems, ending
        assert (well.share / "left").read_text() == "", "grit still runs in the other guest"
    print(f"the panic came after {panicked - started:.0f} s, the end {time.monotonic() - panicked:.0f} s later")


def main():
    directory = Path(os.environ["GRIT_VM_DIRECTORY"])
    try:
        run(directory / "burnin_panic", lab.kernel(directory / "kernel"))
    except lab.Unavailable as why:
        lab.skip(str(why))


if __name__ == "__main__":
    sys.exit(main())
