#!/usr/bin/env python3
"""How small a slowdown does grit see, how soon, and how often does it see one where there is none?

On a local cluster of 4 nodes, one long run a dose, cut into experiments of 8 pairs with one look, or of more with three (bench_experiments).
Dose 0 is a run without a fault: every "slower" or "faster" is a false positive, and a mean over all pairs that is not 0 within its error is what
grit itself does to the blocks in which the fault would be. Beside it, on the same data: a rule "the median
moved by more than 5 %", Welch's t and Mann-Whitney on all steps.

With --runs N: is it found at all? N runs a dose, each of which looks after a ninth of the time, at half and at the end, and ends as soon as
it can tell, after 5 minutes at the latest; exit code 1 when a dose above 0 is found, or its node named, in less than 19 of 20.

usage: GRIT=build/release/grit GRIT_SOURCE=. tests/bench/sensitivity.py [--experiments N | --runs N] [--pairs 8] [--block TIME] [--out DIR]
                                                                         [FAULT:DOSE% ...]
       FAULT: none, armed (a real fault that costs nothing: a NIC limited to more than it can do; what is then slower is grit's journal,
       its applying and taking off), rank_delay, gpu_throttle; default: none:0, armed:0 and 1, 2, 5, 10 % of the others.
       A run in DIR is not made again."""

import argparse
import json
import subprocess
import sys
import time
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
  design = {{ pairs = {pairs}, max_pairs = {max_pairs}, block = "{block}" }},
  expect = {{ slowdown = {{ at_most = "{at_most}" }} }},
}}
"""
AT_MOST = "0.25%"  # a run of detect() ends as soon as more than this is shown, or that it is not more
LIMIT_S = 290  # of blocks; what is left of 5 minutes is the run's start and end
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


def run(work, directory, name, fault, pairs, block, seed, max_pairs=None, at_most="1%"):
    if not (directory / "verdict.json").exists():
        scenario = work.write(f"{name}.lua", SCENARIO.format(name=name, fault=fault, pairs=pairs, max_pairs=max_pairs or pairs, block=block,
                                                                  at_most=at_most))
        grit("run", scenario, "-n", 4, "--out", directory, "--seed", seed, expect=(0, 1, 2), timeout=36000)
    return verdict(directory)


def detect(work, out, runs, block, doses, step_s):
    """Whole runs. The time of one is what its blocks take: all that grit does before and after is not waited for in a test of a cluster."""
    seconds = float(block.removesuffix("ms")) / 1000 if block.endswith("ms") else float(block.removesuffix("s"))
    most = int(LIMIT_S / (2 * seconds))
    missed = False
    for number, dose in enumerate(doses):
        fault, percent = dose.rstrip("%").split(":")
        found = named = 0
        took_s = []
        for i in range(runs):
            directory = out / f"runs_{fault}_{percent.replace('.', '_')}_{i}"
            began = time.monotonic()
            result = run(work, directory, directory.name, fault_text(fault, float(percent), step_s), most // 9, block, 1000 * number + i + 1, most, AT_MOST)
            took_s.append(time.monotonic() - began)
            sees = result["effect"]["ci_low"] > 0
            victims = {f["node"] for f in json.loads((directory / "plan.json").read_text())["faults"]}
            found += sees
            named += bool(sees and result["culprit"] is not None and result["suspects"] and result["suspects"][0]["node"] in victims)
            print(f"{directory.name}: {result['effect']['estimate']:+.2%} (CI {result['effect']['ci_low']:+.2%} .. {result['effect']['ci_high']:+.2%})"
                  f" in {took_s[-1]:.0f} s", flush=True)
        print(f"{fault} {percent} %: seen in {found} of {runs} runs, its node named in {named}; {max(took_s):.0f} s at most", flush=True)
        missed |= float(percent) > 0 and min(found, named) < 0.95 * runs
        missed |= float(percent) == 0 and found > max(1, 0.05 * runs)
    return 1 if missed else 0


parser = argparse.ArgumentParser(usage=__doc__)
parser.add_argument("--experiments", type=int, default=20)
parser.add_argument("--runs", type=int)
parser.add_argument("--pairs", type=int, default=8)
parser.add_argument("--block", default="800ms")
parser.add_argument("--out", type=Path)
parser.add_argument("doses", nargs="*", default=DEFAULT)
options = parser.parse_args()
bench = Path(GRIT).parent / "tests/bench/bench_experiments"
if options.runs is None and not bench.exists():
    sys.exit(f"build it first: cmake --build {Path(GRIT).parent} --target bench_experiments")
with Workspace() as work:
    out = options.out or work.path
    out.mkdir(parents=True, exist_ok=True)
    step_s = run(work, out / "step", "step", "", 6, "2s", 1)["baseline_step_s"]
    print(f"step {step_s * 1e3:.1f} ms, blocks of {options.block}", flush=True)
    if options.runs is not None:
        sys.exit(detect(work, out, options.runs, options.block, options.doses if options.doses != DEFAULT else ["rank_delay:1"], step_s))
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
