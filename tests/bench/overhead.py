#!/usr/bin/env python3
"""What grit's own processes take of a node, by the kernel's account: CPU time of agents, observers and the recorder per step, with
two checks, and as a share of a 100 ms step of one core. Beside it, `ninja bench_step_record` says what a record costs its rank.

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
OURS = ("grit-agent", "grit-observer", "grit-recorder")

SCENARIO = """
local grit = require "grit"
return grit.scenario {
  name = "overhead", summary = "what grit itself takes",
  workload = grit.workload.ddp { model = "gpt2-small", scale = 0.02 },
  checks = { grit.check.nic_errors {}, grit.check.link_up {} },
  design = { pairs = 6, block = "60s", warmup = 1 },
  expect = { slowdown = { at_most = "50%" } },
}
"""


def cpu_ns(pid):
    """Of all its threads that live; none of these processes starts and ends threads while it serves."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        total += int((task / "schedstat").read_text().split()[0])
    return total


def ours(process):
    found = {name: [] for name in OURS}
    for pid in children_of(process.pid):
        try:
            name = Path(f"/proc/{pid}/comm").read_text().strip()
        except OSError:
            continue
        if name in found:
            found[name].append(pid)
    return found


def look(processes, run):
    return ({name: sum(map(cpu_ns, pids)) for name, pids in processes.items()},
            (run / "steps.npy").stat().st_size / RECORD_BYTES / NODES)


with Workspace() as work:
    run = work.path / "run"
    process = start("run", work.write("overhead.lua", SCENARIO), "--out", run, "-n", NODES)
    try:
        while not (run / "steps.npy").exists() or (run / "steps.npy").stat().st_size < 50_000:
            assert process.poll() is None, process.communicate()
            time.sleep(0.1)
        processes = ours(process)
        slices = {name: [] for name in OURS}
        before, steps_before = look(processes, run)
        for _ in range(SLICES):
            time.sleep(SECONDS / SLICES)
            after, steps_after = look(processes, run)
            for name in OURS:
                slices[name].append((after[name] - before[name]) / (steps_after - steps_before) / (1 if name == "grit-recorder" else NODES))
            before, steps_before = after, steps_after
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    finally:
        terminate(process)
    print(f"{NODES} nodes, {steps_after:.0f} steps; load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} CPUs")
    for name, each in slices.items():
        mean, error = statistics.mean(each), statistics.stdev(each) / len(each) ** 0.5
        print(f"{name:14} x{len(processes[name])}: {mean / 1e3:8.1f} µs a step and process (± {2 * error / 1e3:.1f}), "
              f"{mean / STEP_NS:.4%} of a 100 ms step of one core")
