#!/usr/bin/env python3
"""How long after its block's first step a fault is in force, read back, and how far apart the nodes are in that; by fault, on
all nodes of a local cluster, whose nodes share one clock. The aim is 1 ms for p50 and p99 of both.

usage: GRIT=build/release/grit GRIT_SOURCE=. tests/bench/onset.py [NODES] [PAIRS]"""

import sys
from pathlib import Path
sys.path.insert(0, str(Path(__file__).parent.parent / "e2e"))
from gritlib import Workspace, grit, verdict  # noqa: E402

NODES = int(sys.argv[1]) if len(sys.argv) > 1 else 2
PAIRS = int(sys.argv[2]) if len(sys.argv) > 2 else 50

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
  workload = grit.workload.ddp {{ model = "gpt2-small", scale = 0.002 }},
  faults = {{ grit.fault.{name} {{ on = "all", {parameters} }} }},
  design = {{ pairs = {pairs}, block = "150ms", warmup = 1 }},
  expect = {{ slowdown = {{ at_least = "1%" }} }},
}}
"""


def line(lateness):
    return "  ".join(f"{lateness[key] / 1e6:8.3f}" for key in ("p50_ns", "p99_ns", "max_ns")) if lateness else "-"


print(f"{NODES} nodes, {PAIRS} blocks a fault; ms")
print(f"{'fault':16}  {'onset p50':>8}  {'p99':>8}  {'max':>8}  {'skew p50':>9}  {'p99':>8}  {'max':>8}")
with Workspace() as work:
    for name, parameters in FAULTS.items():
        scenario = work.write(f"{name}.lua", SCENARIO.format(name=name, parameters=parameters, pairs=PAIRS))
        run = work.path / name
        grit("run", scenario, "--out", run, "-n", NODES, expect=(0, 1, 2))
        result = verdict(run)
        print(f"{name:16}  {line(result['onset'])}   {line(result['skew'])}", flush=True)
