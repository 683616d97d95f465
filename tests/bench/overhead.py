#!/usr/bin/env python3
"""What grit itself takes of a node beside the training, by the kernel's account: CPU time per step of some 100 ms of its agents,
observers, the recorder and the ranks' threads that watch these, with two checks; and as a share of 100 ms of one core. Most of it is
by time and not by step, so the steps must be as long as they are meant to be. Beside it, `ninja bench_step_record` says what a
record costs its rank.

usage: GRIT=build/release/grit GRIT_SOURCE=. tests/bench/overhead.py [NODES] [SECONDS]"""

import os
import signal
import statistics
import sys
import time
from pathlib import Path
sys.path.insert(0, str(Path(__file__).parent.parent / "e2e"))
from gritlib import Workspace, children_of, start, terminate  # noqa: E402

NODES = int(sys.argv[1]) if len(sys.argv) > 1 else 2
SECONDS = int(sys.argv[2]) if len(sys.argv) > 2 else 30
SLICES = 10
STEP_NS = 100e6
RECORD_BYTES = 104  # harness/model/step_record.hpp
OURS = ("grit-agent", "grit-observer", "grit-recorder", "grit-keeper")  # the last are threads of ranks
ON_NODE_0 = ("grit-recorder",)

SCENARIO = """
local grit = require "grit"
return grit.scenario {
  name = "overhead", summary = "what grit itself takes",
  workload = grit.workload.ddp { model = "gpt2-small", scale = 0.08 },
  checks = { grit.check.nic_errors {}, grit.check.link_up {} },
  design = { pairs = 6, block = "60s", warmup = 1 },
  expect = { slowdown = { at_most = "50%" } },
}
"""


def cpu_ns(task):
    return int((task / "schedstat").read_text().split()[0])


def ours(process):
    """The threads of each, by name; none of these processes starts and ends threads while it serves."""
    found = {name: [] for name in OURS}
    for pid in children_of(process.pid):
        try:
            program = Path(f"/proc/{pid}/comm").read_text().strip()
            for task in Path(f"/proc/{pid}/task").iterdir():
                name = (task / "comm").read_text().strip() if program == "grit" else program
                if name in found:
                    found[name].append(task)
        except OSError:
            continue
    return found


def look(processes, run):
    return ({name: sum(map(cpu_ns, tasks)) for name, tasks in processes.items()},
            (run / "steps.npy").stat().st_size / RECORD_BYTES / NODES, time.monotonic())


with Workspace() as work:
    run = work.path / "run"
    process = start("run", work.write("overhead.lua", SCENARIO), "--out", run, "-n", NODES)
    try:
        while not (run / "steps.npy").exists() or (run / "steps.npy").stat().st_size < 20 * NODES * RECORD_BYTES:
            assert process.poll() is None, process.communicate()
            time.sleep(0.1)
        processes = ours(process)
        slices = {name: [] for name in OURS}
        before, steps_before, began = first, first_steps, first_time = look(processes, run)
        for _ in range(SLICES):
            time.sleep(SECONDS / SLICES)
            after, steps, now = look(processes, run)
            for name in OURS:
                slices[name].append((after[name] - before[name]) / ((now - began) * 1e9) * STEP_NS / (1 if name in ON_NODE_0 else NODES))
            before, began = after, now
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    finally:
        terminate(process)
    step_ms = (now - first_time) / (steps - first_steps) * 1e3
    print(f"{NODES} nodes, {steps:.0f} steps of {step_ms:.0f} ms; load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} CPUs")
    for name, each in (*slices.items(), ("node 0", [sum(all_of) for all_of in zip(*slices.values())])):
        mean, error = statistics.mean(each), statistics.stdev(each) / len(each) ** 0.5
        print(f"{name:14}: {mean / 1e3:7.1f} µs per 100 ms and node (± {2 * error / 1e3:.1f}), {mean / STEP_NS:.4%} of one core")
