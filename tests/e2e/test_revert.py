"""Rank and agent of a node die at once while a link is down: the journal on disk brings it back, by `grit revert` or by the next run.

Runs in a network namespace of its own (re-executes itself there), with mpirun by hand as on a real node."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from gritlib import GRIT, SHORT_FLAP, Workspace, assert_same_state, cmdline, events, grit, machine_state, skip

if "GRIT_TEST_INSIDE" not in os.environ:
    for program in ("unshare", "ip"):
        if shutil.which(program) is None:
            skip(f"{program} is not there to make a network namespace")
    before = machine_state()
    flags = ["--net", "--mount"] if os.getuid() == 0 else ["--user", "--map-root-user", "--net", "--mount"]
    own_run = 'mount -t tmpfs none /run; exec "$@"'  # root's node lock lies there, and is the machine's
    done = subprocess.run(["unshare", *flags, "sh", "-c", own_run, "sh", sys.executable, __file__], env=dict(os.environ, GRIT_TEST_INSIDE="1"))
    assert_same_state(before)
    sys.exit(done.returncode)


def ip(*arguments):
    return subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True).stdout


ip("link", "set", "lo", "up")
ip("link", "add", "eth9", "type", "veth", "peer", "name", "peer9")
for name in ("eth9", "peer9"):
    ip("link", "set", name, "up")
ip("addr", "add", "10.99.0.1/24", "dev", "eth9")
ip("addr", "add", "fd99::1/64", "dev", "eth9", "nodad")
ip("route", "add", "10.98.0.0/16", "via", "10.99.0.2", "metric", "77")


# MPI's own control traffic stays on loopback: eth9 is a data NIC then, and not a guarded one.
MPIRUN = ["mpirun", "-n", "2", "--oversubscribe", "--allow-run-as-root", "--mca", "btl", "self,vader", "--mca", "oob_tcp_if_include", "lo"]


def configuration():
    """Addresses and routes, without what counts down or is random."""
    addresses = [line.strip() for line in ip("addr", "show", "eth9").splitlines() if "inet" in line]
    return addresses, ip("route", "show", "dev", "eth9").split("\n"), ip("-6", "route", "show", "dev", "eth9").split("\n")


def is_up():
    return "UP" in ip("link", "show", "eth9").split("<")[1].split(">")[0].split(",")  # /sys shows another namespace


def crash_with_link_down(work, number):
    """Starts a run, waits until the link is down, kills all of grit at once. Returns the run directory."""
    run = work.path / f"run{number}"
    # With this seed the fault's block is the first.
    job = subprocess.Popen([*MPIRUN, GRIT, "run", str(scenario), "--seed", "1", "--out", str(run)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
    deadline = time.monotonic() + 60
    while is_up():
        assert job.poll() is None and time.monotonic() < deadline, "the link never went down"
        time.sleep(0.005)
    victims = [int(p) for p in os.listdir("/proc") if p.isdigit() and " run " in cmdline(p) + " " and cmdline(p).startswith(GRIT)]
    # The agent, its observer, a spare one and its heir, which it has forked, and the recorder.
    agents = [int(p) for p in os.listdir("/proc") if p.isdigit() and cmdline(p) in ("grit agent", "grit recorder")]
    assert len(victims) == 2 and len(agents) == 5, (victims, agents)
    # All stand still before the first dies: whoever still ran would see the others end, and bring the link up as it should.
    for end in (signal.SIGSTOP, signal.SIGKILL):
        for pid in (*agents, *victims):
            with contextlib.suppress(ProcessLookupError):  # what an agent has forked may have died with it
                os.kill(pid, end)
    job.wait(timeout=60)
    assert not is_up(), "somebody brought the link up: this test shows nothing"
    return run


with Workspace() as work:
    scenario = work.write("flap.lua", SHORT_FLAP.replace('down = "400ms"', 'down = "20s"').replace('"900ms"', '"30s"'))
    journal = work.path / "journal"
    environment = dict(os.environ, GRIT_JOURNAL_DIR=str(journal), HOME=str(work.path))
    time.sleep(2.5)  # IPv6's link-local address settles
    good = configuration()

    crash_with_link_down(work, 0)
    done = grit("revert", env=environment, expect=0)
    print(done.out.strip())
    assert "1 reverted" in done.out and is_up()
    time.sleep(2.5)
    assert configuration() == good, (configuration(), good)
    again = grit("revert", env=environment, expect=0)
    assert "0 reverted" in again.out or "nothing to revert" in again.out, again.out

    nowhere = grit("revert", "--directory", work.path / "nowhere", env=environment, expect=64)
    assert f"there is no directory {work.path / 'nowhere'}" in nowhere.err, nowhere.err

    # A journal that others could have written is not acted upon, and says why. It keeps nobody from the next one.
    crash_with_link_down(work, 1)
    (file,) = journal.glob("*.jsonl")
    file.chmod(0o666)
    later = file.with_name(file.name.replace(".jsonl", "-later.jsonl"))
    later.write_text("")
    later.chmod(0o600)
    refused = grit("revert", env=environment, expect=70)
    print(refused.out.strip())
    assert "others can write" in refused.out and not is_up()
    assert f"{later}: 0 reverted" in refused.out, refused.out
    file.chmod(0o600)

    # The next run reverts first.
    healthy = work.write("next.lua", SHORT_FLAP.replace("down", "down").replace('pairs = 6, block = "900ms"', 'pairs = 6, block = "5 steps"')
                         .replace('faults = function(o) return { grit.fault.link_flap { on = o.node, down = "400ms", after = "200ms" } } end,', ""))
    subprocess.run([*MPIRUN, GRIT, "run", str(healthy), "--out", str(work.path / "next")], env=environment, timeout=120, capture_output=True)
    assert is_up() and configuration()[0][0] == good[0][0]
    (recovered,) = events(work.path / "next", "recovered")
    assert recovered["reverted"] == 1 and recovered["problems"] == [], recovered
