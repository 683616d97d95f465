#!/usr/bin/env python3
"""How small a slowdown does grit see, how soon, and how often does it see one where there is none?

On a local cluster of 4 nodes, one long run a dose, cut into experiments of 8 pairs with one look, or of more with three (bench_experiments).
Dose 0 is a run without a fault: every "slower" or "faster" is a false positive, and a mean over all pairs that is not 0 within its error is what
grit itself does to the blocks in which the fault would be. Beside it, on the same data: a rule "the median
moved by more than 5 %", Welch's t and Mann-Whitney on all steps.

usage: GRIT=build/release/grit GRIT_SOURCE=. tests/bench/sensitivity.py [--experiments N] [--pairs 8] [--block TIME] [--out DIR] [FAULT:DOSE% ...]
       FAULT: none, armed (a real fault that costs nothing: a NIC limited to more than it can do; what is then slower is grit's journal,
       its applying and taking off), rank_delay, gpu_throttle; default: none:0, armed:0 and 1, 2, 5, 10 % of the others.
       A run in DIR is not made again."""

import argparse
import subprocess
import sys
from pathlib import Path
sys.path.insert(0, str(Path(__file__).parent.parent / "e2e"))
from gritlib import GRIT, Workspace, grit, verdict  # noqa: E402

SCENARIO = """
local grit = require "grit"
return grit.scenario {{
  name = "{name}",
  summary = "many pairs, to be cut into experiments",
  -- A step of 0.4 s, nearly all of it computing on the emulated accelerator. In shorter steps, or with more communication, the ranks' turns
  -- on the machine's few cores take some 1 ms of a step, and a rank that comes later by less than that is hardly waited for.
  workload = grit.workload.ddp {{ model = "gpt2-small", scale = 0.0002, peak = "0.4 GFLOP/s" }},
  faults = {{ {fault} }},
  design = {{ pairs = {pairs}, block = "{block}" }},
  expect = {{ slowdown = {{ at_most = "1%" }} }},
}}
"""
DEFAULT = ["none:0", "armed:0"] + [f"{fault}:{dose}" for fault in ("rank_delay", "gpu_throttle") for dose in (1, 2, 5, 10)]


def fault_text(fault, dose, step_s):
    if fault == "none":
        return ""
    if fault == "armed":
        return 'grit.fault.link_rate { on = "any", rate = "100Gbit/s" }'
    if fault == "rank_delay":
        return f'grit.fault.rank_delay {{ on = "any", delay = "{dose / 100 * step_s * 1e6:.0f}us" }}'
    # Nearly all of the step is computing on the emulated accelerator: a clock lower by d makes it 1/(1 - d) as long.
    return f'grit.fault.gpu_throttle {{ on = "any", clock = "{100 / (1 + dose / 100):.3f}%" }}'


def run(work, directory, name, fault, pairs, block, seed):
    if not (directory / "verdict.json").exists():
        scenario = work.write(f"{name}.lua", SCENARIO.format(name=name, fault=fault, pairs=pairs, block=block))
        grit("run", scenario, "-n", 4, "--out", directory, "--seed", seed, expect=(0, 1, 2), timeout=36000)
    return verdict(directory)


parser = argparse.ArgumentParser(usage=__doc__)
parser.add_argument("--experiments", type=int, default=20)
parser.add_argument("--pairs", type=int, default=8)
parser.add_argument("--block", default="800ms")
parser.add_argument("--out", type=Path)
parser.add_argument("doses", nargs="*", default=DEFAULT)
options = parser.parse_args()
bench = Path(GRIT).parent / "tests/bench/bench_experiments"
if not bench.exists():
    sys.exit(f"build it first: cmake --build {Path(GRIT).parent} --target bench_experiments")
with Workspace() as work:
    out = options.out or work.path
    out.mkdir(parents=True, exist_ok=True)
    step_s = run(work, out / "step", "step", "", 6, "2s", 1)["baseline_step_s"]
    print(f"step {step_s * 1e3:.1f} ms, blocks of {options.block}", flush=True)
    for number, dose in enumerate(options.doses):
        fault, percent = dose.rstrip("%").split(":")
        left, part = options.experiments, 0
        while left > 0:  # a scenario has at most 1000 pairs
            experiments = min(left, 1000 // options.pairs)
            name = f"{fault}_{percent.replace('.', '_')}_{part}"
            run(work, out / name, name, fault_text(fault, float(percent), step_s), options.pairs * experiments, options.block,
                100 * part + number + 2)
            print(f"{fault} {percent} %:", flush=True)
            subprocess.run([bench, str(options.pairs), out / name], check=True)
            left, part = left - experiments, part + 1
