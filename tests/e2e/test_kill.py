"""SIGKILL of a rank, an agent, mpirun and grit in turn at random moments: nothing is left, and the run can be read.

usage: test_kill.py [COUNT] [SEED]"""

import os
import random
import signal
import sys
import time
from pathlib import Path
from gritlib import SHORT_FLAP, Workspace, assert_same_state, cgroups, children_of, cmdline, grit, machine_state, start, terminate

COUNT = int(sys.argv[1]) if len(sys.argv) > 1 else 4
SEED = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(1_000_000)
VICTIMS = ("rank", "agent", "mpirun", "grit")
chance = random.Random(SEED)
print(f"seed {SEED}", flush=True)


def is_victim(kind, pid, grit_pid):
    words = cmdline(pid).split()
    if not words:
        return False
    if kind == "grit":
        return pid == grit_pid
    if kind == "mpirun":
        return os.path.basename(words[0]) == "mpirun"
    return len(words) > 1 and words[1] == kind and os.path.basename(words[0]) == "grit"


def wait_for_steps(process, run):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if (run / "steps.npy").exists() and (run / "steps.npy").stat().st_size > 10_000:
            return
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    raise AssertionError("no step within 60 s")


before = machine_state()
with Workspace() as work:
    scenario = work.write("short_flap.lua", SHORT_FLAP)
    for round_number in range(COUNT):
        kind = VICTIMS[round_number % len(VICTIMS)]
        run = work.path / f"run{round_number}"
        process = start("run", scenario, "--out", run, "-n", 4)
        try:
            wait_for_steps(process, run)
            time.sleep(chance.uniform(0, 8))
            candidates = [pid for pid in [process.pid, *children_of(process.pid)] if is_victim(kind, pid, process.pid)]
            assert candidates or process.poll() is not None, f"no {kind} to kill"
            if candidates:
                os.kill(chance.choice(candidates), signal.SIGKILL)
            killed_ns = time.monotonic()
            out, err = process.communicate(timeout=90)
        finally:
            terminate(process)
        assert_same_state(before)
        wanted = {"rank": (2, 0), "mpirun": (2, 0), "grit": (-9, 0), "agent": (0, 2)}[kind]
        assert process.returncode in wanted, f"{kind}: exit {process.returncode}\n{out}\n{err}"
        reported = grit("report", run, expect=(0, 1, 2))
        assert (run / "report.html").exists() and (run / "verdict.json").exists()
        words = reported.out.splitlines()[0]
        print(f"{round_number}: SIGKILL of {kind}: ended {time.monotonic() - killed_ns:.1f} s later with {process.returncode}; {words}", flush=True)
assert_same_state(before)

# A control group belongs to no namespace: it would outlive a cluster that is killed.
THROTTLE = SHORT_FLAP.replace('link_flap { on = o.node, down = "400ms", after = "200ms" }', 'cpu_throttle { on = 1, share = "70%" }')
assert "cpu_throttle" in THROTTLE
with Workspace() as work:
    run = work.path / "throttled"
    process = start("run", work.write("throttle.lua", THROTTLE), "--out", run, "-n", 4)
    try:
        deadline = time.monotonic() + 60
        while not cgroups() - before["cgroups"] and time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.005)
        made = cgroups() - before["cgroups"]
        process.kill()
        process.communicate(timeout=90)
    finally:
        terminate(process)
    assert_same_state(before)
    mechanisms = [line.split() for line in grit("describe", "cpu_throttle", expect=0).out.splitlines()]
    possible = any(words[:1] in (["cgroup1"], ["cgroup2"]) and words[1:2] != ["not"] for words in mechanisms)
    assert made or not possible, "cpu_throttle can make a control group here, but made none: nothing was tried"
    print(f"grit killed with {len(made)} control group(s) in force: gone" if made else
          "no control group can be made here: cpu_throttle stopped its ranks instead")
