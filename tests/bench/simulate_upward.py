#!/usr/bin/env python3
"""What `grit simulate` predicts against what is so: runs of 4, 8 and 16 nodes on the local cluster, and those of 8 and 16 predicted from
the one of 4. Prints the error of the step's time and of the fault's cost, median and p90 over faults and repetitions, and how often the
95 % intervals held; then what a simulation of 4,096 ranks takes.

All nodes share this machine's cores. With more nodes than cores a larger run also waits for these, which no simulation knows of: what
a rank takes of a core in a step (usage events) is printed for each size, and from where on all cores are busy the error is the machine's.

usage: GRIT=build/release/grit GRIT_SOURCE=. tests/bench/simulate_upward.py [REPETITIONS] [PAIRS] [BLOCK]
(3, 8 and 3s, at least 6 pairs; that is 36 runs of a minute)"""

import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
sys.path.insert(0, str(Path(__file__).parent.parent / "e2e"))
from gritlib import GRIT, Workspace, events, grit, with_numpy  # noqa: E402

REPETITIONS = int(sys.argv[1]) if len(sys.argv) > 1 else 3
PAIRS = int(sys.argv[2]) if len(sys.argv) > 2 else 8
BLOCK = sys.argv[3] if len(sys.argv) > 3 else "3s"
SIZES = (4, 8, 16)
LARGE = 4096

FAULTS = {
    "none": "",
    "rank_delay 30 ms": "grit.fault.rank_delay { on = 1, delay = '30ms' }",
    "rank_delay 0 .. 60 ms": "grit.fault.rank_delay { on = 1, delay = '1ms', jitter = '60ms' }",
    "process_pause": "grit.fault.process_pause { on = 1, after = '200ms', pause = '300ms' }",
}
SCENARIO = """
local grit = require "grit"
return grit.scenario {{
  name = "upward", summary = "a job to be measured at several sizes",
  workload = grit.workload.ddp {{ model = "gpt2-small", scale = 0.004, compute = "emulated", peak = "0.01 TFLOP/s" }},
  faults = {{ {fault} }},
  design = {{ pairs = {pairs}, block = "{block}" }},
  expect = {{ slowdown = {{ at_most = "900%" }} }},
}}
"""

MEANS = """
import json, statistics, sys
import numpy
plan = json.load(open(sys.argv[1] + "/plan.json"))
steps = numpy.load(sys.argv[1] + "/steps.npy")
settled = steps[steps["step_in_block"] >= plan["design"]["settle_steps"]]
times = (settled["end_ns"] - settled["start_ns"]).astype(float)
means = {b["index"]: times[settled["block"] == b["index"]].mean() for b in plan["blocks"] if b["pair"] >= 0}
pairs = {}
for block in plan["blocks"]:
    if block["pair"] >= 0:
        pairs.setdefault(block["pair"], {})[block["kind"] == "baseline"] = means[block["index"]]
print(json.dumps([statistics.median(p[True] for p in pairs.values()), statistics.median(p[False] / p[True] - 1 for p in pairs.values())]))
"""


def measured(run):
    """Median step time without a fault in nanoseconds, and the fault's cost as a share."""
    return json.loads(with_numpy(MEANS, run))


def cores_used(run, nodes):
    """By all ranks together, over the run's blocks."""
    used = {}
    for event in events(run, "usage"):
        used.setdefault((event["node"], event["block"]), {})[event["edge"]] = (event["t_ns"], sum(one["cpu_ns"] for one in event["ranks"]))
    rates = [(end[1] - begin[1]) / (end[0] - begin[0]) for one in used.values() if len(one) == 2 for begin, end in [(one["begin"], one["end"])]]
    return nodes * statistics.mean(rates)


def quantiles(errors):
    ordered = sorted(map(abs, errors))
    return statistics.median(ordered), ordered[min(len(ordered) - 1, int(0.9 * len(ordered)))]


def simulate(run, dp, out):
    grit("simulate", run, "--dp", dp, "--out", out, expect=(0, 1, 2), timeout=600)
    return json.loads((out / "prediction.json").read_text())


errors = {size: {"step": [], "cost": [], "step held": [], "cost held": []} for size in SIZES[1:]}
with Workspace() as work:
    for fault, text in FAULTS.items():
        for repetition in range(REPETITIONS):
            runs = {}
            for size in SIZES:
                runs[size] = work.path / f"{len(list(work.path.iterdir()))}-{size}"
                scenario = work.write("upward.lua", SCENARIO.format(fault=text, pairs=PAIRS, block=BLOCK))
                grit("run", scenario, "-n", size, "--seed", repetition + 1, "--out", runs[size], expect=(0, 1, 2), timeout=600)
            true = {size: measured(runs[size]) for size in SIZES}
            print(f"{fault}, repetition {repetition + 1}: " + "; ".join(
                f"{size} nodes {true[size][0] / 1e6:.1f} ms, {100 * true[size][1]:+.1f} %, {cores_used(runs[size], size):.2f} of {os.cpu_count()} cores" for size in SIZES),
                flush=True)
            for size in SIZES[1:]:
                said = simulate(runs[SIZES[0]], size, work.path / f"simulated-{len(list(work.path.iterdir()))}")
                step, cost = said["step_ns"], said["cost"]
                of_size = errors[size]
                of_size["step"].append(step["value"] / true[size][0] - 1)
                of_size["step held"].append(step["low"] <= true[size][0] <= step["high"])
                line = f"  {size} from {SIZES[0]}: step {step['value'] / 1e6:.1f} ms ({step['low'] / 1e6:.1f} .. {step['high'] / 1e6:.1f})"
                if text and cost is not None:
                    of_size["cost"].append(cost["value"] - true[size][1])
                    of_size["cost held"].append(cost["low"] <= true[size][1] <= cost["high"])
                    line += f", cost {100 * cost['value']:+.1f} % ({100 * cost['low']:+.1f} .. {100 * cost['high']:+.1f})"
                print(line + f", replayed to {100 * said['replay_error']:.2f} %", flush=True)
    for size, of_size in errors.items():
        step, cost = quantiles(of_size["step"]), quantiles(of_size["cost"])
        print(f"{size} from {SIZES[0]}: error of the step's time median {100 * step[0]:.1f} %, p90 {100 * step[1]:.1f} %, in its interval "
              f"{sum(of_size['step held'])} of {len(of_size['step held'])}; of the fault's cost median {100 * cost[0]:.1f} points, "
              f"p90 {100 * cost[1]:.1f} points, in its interval {sum(of_size['cost held'])} of {len(of_size['cost held'])}")

    last, large = runs[SIZES[0]], work.path / "large"
    began = time.monotonic()
    process = subprocess.Popen([GRIT, "simulate", str(last), "--dp", str(LARGE), "--out", str(large)], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    assert os.waitstatus_to_exitcode(status) in (0, 1, 2), status
    steps = int(with_numpy("import numpy, sys; print(len(numpy.unique(numpy.load(sys.argv[1])['step'])))", large / "steps.npy"))
    print(f"{LARGE} ranks, {steps} steps: {time.monotonic() - began:.0f} s, {usage.ru_maxrss / 1024:.0f} MiB with the report; "
          f"steps.npy {(large / 'steps.npy').stat().st_size / 1e6:.0f} MB")
