#!/usr/bin/env python3
"""Time from `grit run` to the first step on 4 and 16 local nodes, beside mpirun alone starting as many ranks on one host.

usage: GRIT=build/release/grit GRIT_SOURCE=. tests/bench/startup.py [REPEATS]"""

import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
sys.path.insert(0, str(Path(__file__).parent.parent / "e2e"))
from gritlib import SHORT_FLAP, Workspace, start, terminate  # noqa: E402

repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 5


def first_step_s(work, scenario, nodes, number):
    """CLOCK_MONOTONIC is one clock on the local cluster: the block event's time minus the time before the start."""
    run = work.path / f"run-{nodes}-{number}"
    began = time.monotonic_ns()
    process = start("run", scenario, "--out", run, "-n", nodes)
    try:
        while process.poll() is None:
            if (run / "events.jsonl").exists():
                for line in (run / "events.jsonl").read_text().splitlines():
                    event = json.loads(line)
                    if event["type"] == "block" and event["edge"] == "begin":
                        return (event["t_ns"] - began) / 1e9
            time.sleep(0.05)
        raise AssertionError(process.communicate())
    finally:
        process.send_signal(2)
        process.communicate(timeout=60)
        terminate(process)


def bare_mpirun_s(ranks):
    began = time.monotonic_ns()
    subprocess.run(["mpirun", "-n", str(ranks), "--oversubscribe", "--allow-run-as-root", "true"], check=True, env=os.environ)
    return (time.monotonic_ns() - began) / 1e9


with Workspace() as work:
    scenario = work.write("short_flap.lua", SHORT_FLAP)
    print("nodes  grit run to first step (min, median, max)   mpirun of `true` on one host (median)   ratio")
    for nodes in (4, 16):
        times = sorted(first_step_s(work, scenario, nodes, number) for number in range(repeats))
        bare = statistics.median(bare_mpirun_s(nodes) for _ in range(repeats))
        middle = statistics.median(times)
        print(f"{nodes:5}  {times[0]:.2f} s, {middle:.2f} s, {times[-1]:.2f} s   {bare:.2f} s   {middle / bare:.1f}", flush=True)
