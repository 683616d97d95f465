"""One rank that fails alone, at any stage of a run, ends the job on all nodes within seconds, and says rank, node and why."""

import json
import os
import socket
import subprocess
import sys
import time
from gritlib import GRIT, Workspace, assert_same_state, machine_state

EVERY = int(sys.argv[1])  # 1: each stage is tried, which takes some minutes; 4: every fourth
PLANT = os.environ["GRIT_PLANTED_FAILURE"]
STEPS = """
local grit = require "grit"
return grit.scenario {
  name = "steps", summary = "a few steps with a link test",
  workload = grit.workload.ddp { model = "gpt2-small", scale = 0.01, compute = "emulated" },
  design = { pairs = 6, block = "100ms", link_test = true }, expect = { slowdown = { at_most = "50%" } },
}
"""
MPIRUN = ["mpirun", "-n", "3", "--oversubscribe", "--allow-run-as-root", "--mca", "btl", "tcp,self", "--mca",
          "btl_tcp_if_include", "lo", "--mca", "oob_tcp_if_include", "lo"]
LIMIT_S = 45  # most of it starting and ending on a busy machine; a hang lasts for ever


def run(work, command, name, **plant):
    # mpirun's own files, too, lie there: now and then it dies of a job's abort, and leaves them.
    environment = dict(os.environ, HOME=str(work.path), TMPDIR=str(work.path), LD_PRELOAD=PLANT, **{key: str(value) for key, value in plant.items()})
    began = time.monotonic()
    done = subprocess.run([*command, "--out", str(work.path / name)], cwd=work.path, capture_output=True, text=True,
                          errors="replace", timeout=120, env=environment)
    return done, time.monotonic() - began


def stages(file):
    """The places from which the program calls MPI, in the order of the first call."""
    return [line.split(" ") for line in file.read_text().splitlines()]


before = machine_state()
with Workspace() as work:
    scenario = work.write("steps.lua", STEPS)
    launchers = {
        "mpirun": ([*MPIRUN, GRIT, "run", str(scenario)], 1, socket.gethostname()),
        "mpirun, the first rank": ([*MPIRUN, GRIT, "run", str(scenario)], 0, socket.gethostname()),
        "local cluster": ([GRIT, "run", str(scenario), "-n", "2"], 1, "node1"),
    }
    for launcher, (command, rank, node) in launchers.items():
        file = work.path / f"calls-{launcher}"
        done, took = run(work, command, f"whole-{launcher}", PLANT_RANK=rank, PLANT_LIST=file)
        assert done.returncode in (0, 1, 2), done.stderr
        found = stages(file)
        print(f"{launcher}: {len(found)} stages; a whole run takes {took:.1f} s", flush=True)
        assert len(found) > 10, found
        for number, (call, place) in list(enumerate(found))[::EVERY]:
            done, took = run(work, command, f"run-{launcher}-{number}", PLANT_RANK=rank, PLANT_AT=place)
            print(f"{launcher}: stage {number}, {call} of rank {rank}: exit code {done.returncode} after {took:.1f} s", flush=True)
            assert f"rank {rank} on {node}: internal error: planted failure" in done.stderr, done.stderr
            assert done.returncode != 0 and took < LIMIT_S, (done.returncode, took, done.stderr)
    assert_same_state(before)

    # What is found wrong once the agents run, by all ranks alike, is said as such, and not that the agents were ended.
    big = work.write("big.lua", STEPS.replace('"gpt2-small", scale = 0.01', '"llama3-70b", scale = 1'))
    for command in ([*MPIRUN, GRIT, "run", str(big)], [GRIT, "run", str(big), "-n", "2"]):
        done = subprocess.run([*command, "--out", str(work.path / f"big-{len(command)}")], cwd=work.path, capture_output=True,
                              text=True, timeout=120, env=dict(os.environ, HOME=str(work.path)))
        assert done.returncode == 64 and done.stderr.count("GB of memory per rank") == 1, (done.returncode, done.stderr)

    # Facts of the environment that are not UTF-8 are kept, with a mark for the bad byte.
    command = [os.fsencode(word) for word in [*MPIRUN, GRIT, "run", str(scenario), "--out", str(work.path / "latin")]]
    done = subprocess.run(command, cwd=work.path, capture_output=True, timeout=120,
                          env={**os.environb, b"HOME": os.fsencode(work.path), b"SLURM_JOB_NAME": b"caf\xe9"})
    assert done.returncode in (0, 1, 2), done.stderr
    environment = json.loads((work.path / "latin/env/node0.json").read_text())
    assert environment["variables"]["SLURM_JOB_NAME"] == "caf\ufffd", environment["variables"]
assert_same_state(before)
