#!/usr/bin/env python3
"""How long after its block's first step a fault is in force, read back, and how far apart the nodes are in that; by fault, on
all nodes of a local cluster, whose nodes share one clock. The aim is 1 ms for p50 and p99 of both.

With BUSY the node is: a check twice a second, a fault of `command` that comes and goes beside the one that is measured and takes
50 ms of CPU each time, and steps so short that the recorder, on node 0, writes as fast as it can.

usage: GRIT=build/release/grit GRIT_SOURCE=. tests/bench/onset.py [NODES] [PAIRS] [BUSY]"""

import sys
from pathlib import Path
sys.path.insert(0, str(Path(__file__).parent.parent / "e2e"))
from gritlib import Workspace, grit, verdict  # noqa: E402

NODES = int(sys.argv[1]) if len(sys.argv) > 1 else 2
PAIRS = int(sys.argv[2]) if len(sys.argv) > 2 else 50
BUSY = len(sys.argv) > 3

SPIN = "end=$(( $(date +%s%N) + 50000000 )); while [ $(date +%s%N) -lt $end ]; do :; done"
COMMAND = f"""grit.fault.command {{ on = "all", apply = '{SPIN}; touch /dev/shm/busy', evidence = "test -e /dev/shm/busy",
  counter = "date +%s%N", revert = "rm -f /dev/shm/busy", after = "60ms" }},"""

FAULTS = {
    "gpu_throttle": 'clock = "50%"',
    "rank_delay": 'delay = "1ms"',
    "process_pause": 'pause = "20ms", after = 0',
    "link_flap": 'down = "20ms", after = 0',
    "partition": 'from = "all", after = 0, lasts = "20ms"',
    "memory_pressure": 'hold = "16MB"',
    "ethernet_flood": 'to = "all", rate = "100Mbit/s", streams = 1',
}

SCENARIO = """
local grit = require "grit"
return grit.scenario {{
  name = "onset",
  summary = "onset of {name}",
  workload = grit.workload.ddp {{ model = "gpt2-small", scale = {scale} }},
  faults = {{ {beside} grit.fault.{name} {{ on = "all", {parameters} }} }},
  checks = {{ {checks} }},
  design = {{ pairs = {pairs}, block = "150ms", warmup = 1 }},
  expect = {{ slowdown = {{ at_least = "1%" }} }},
}}
"""


def line(lateness):
    return "  ".join(f"{lateness[key] / 1e6:8.3f}" for key in ("p50_ns", "p99_ns", "max_ns")) if lateness else "-"


print(f"{NODES} nodes, {PAIRS} blocks a fault; ms")
print(f"{'fault':16}  {'onset p50':>8}  {'p99':>8}  {'max':>8}  {'end p50':>9}  {'p99':>8}  {'max':>8}  {'skew p50':>9}  {'p99':>8}  {'max':>8}")
with Workspace() as work:
    for name, parameters in FAULTS.items():
        scenario = work.write(f"{name}.lua", SCENARIO.format(name=name, parameters=parameters, pairs=PAIRS, scale=0.0005 if BUSY else 0.002,
                                                             beside=COMMAND if BUSY else "", checks="grit.check.nic_errors {}" if BUSY else ""))
        run = work.path / name
        grit("run", scenario, "--out", run, "-n", NODES, *(["--allow-command"] if BUSY else []), expect=(0, 1, 2), timeout=900)
        result = verdict(run)
        measured = next(fault for fault in result["faults"] if fault["name"] == name)
        print(f"{name:16}  {line(measured['onset'])}   {line(measured['end'])}   {line(result['skew'])}", flush=True)
