#!/usr/bin/env python3
"""Who is blamed: randomised injections over fault kinds, nodes and magnitudes on a local cluster, and a table of what was really
broken against what the analysis named. memory_bandwidth only when asked for (--kinds): on a machine of few cores its writers take the
ranks' CPUs long before they fill the memory bus, and "compute" is then what is short. Three kinds have another place than one node:
in_turn (pauses at random moments of every rank), one_link and two_nodes. Seeded; goes on where it was stopped, and with --again judges the runs there are anew.

usage: GRIT=build/release/grit GRIT_SOURCE=. tests/bench/culprit.py [--runs 60] [--seed 1] [--out DIR] [--kinds a,b] [--nodes 4]
                                                                    [--pairs 8] [--max-pairs 16] [--block 1s] [--again]"""

import argparse
import json
import os
import random
import subprocess
import sys
import time
from collections import Counter, defaultdict
from pathlib import Path

GRIT = os.environ["GRIT"]
RESOURCES = ["compute", "network", "memory", "storage", "unknown", "none"]
LEGEND = """\
Truth: the class of the injected fault, and the node it acted on (in_turn: each in turn; one_link: the link; two_nodes: both). On a local cluster all nodes share one machine's CPUs, memory and
disk: what acts on these (marked *) hits all nodes alike, so there "no single culprit, all nodes alike" is the right answer for the node.
"not told" names nobody; "wrong" names a node that had no fault. "none": no slowdown was shown, or no suspect explains half of it."""


def pick(generator, low, high):
    return low * (high / low) ** generator.random()  # evenly over the logarithm


# Steps of 0.17 s whose accelerator leaves the cores free, and of 0.08 s in which 4 ranks keep 2 cores busy: there a fault that takes CPU
# time away costs more than a few per cent.
FREE, BUSY = 'peak = "100GFLOP/s"', 'peak = "500GFLOP/s"'
AFTER = (400, 600)  # ms from a block's beginning: a single pulse in its settling steps would cost nothing that counts


def pulse(g, name, low, high):
    lasts = round(pick(g, low, high))
    return f'{name} = "{lasts}ms", after = "{min(round(pick(g, *AFTER)), 980 - lasts)}ms"'  # within a block of 1 s


# kind -> the fault, where it is not called as the kind is, and on which nodes it acts, by the first of them.
PLACES = {
    "input": ("disk_contention", lambda node, nodes, g: node),
    "in_turn": ("process_pause", lambda node, nodes, g: "all"),
    "one_link": ("partition", lambda node, nodes, g: (node, node ^ 1)),  # nodes that every algorithm of an all-reduce makes neighbours
    "two_nodes": ("gpu_throttle", lambda node, nodes, g: sorted((node, g.choice([other for other in range(nodes) if other != node])))),
}

# kind -> (resource, shared by all nodes of this machine, the workload, the fault's parameters from a generator). Chosen to cost a step 10 %.
KINDS = {
    "gpu_throttle": ("compute", False, FREE, lambda g: f'clock = "{round(100 / pick(g, 1.2, 2.5))}%"'),
    "rank_delay": ("compute", False, FREE, lambda g: f'delay = "{round(pick(g, 25, 120))}ms"'),
    "cpu_contention": ("compute", True, BUSY, lambda g: f'share = "{round(pick(g, 60, 100))}%", threads = {g.choice([2, 4, 6])}'),
    "process_pause": ("compute", False, FREE, lambda g: pulse(g, "pause", 300, 600)),
    "link_flap": ("network", False, FREE, lambda g: pulse(g, "down", 300, 600)),
    "link_rate": ("network", False, FREE, lambda g: f'rate = "{round(pick(g, 60, 400))}Mbit/s"'),
    "link_loss": ("network", False, FREE, lambda g: f'loss = "{pick(g, 3, 8):.1f}%", direction = "{g.choice(["in", "out", "both"])}"'),
    "partition": ("network", False, FREE, lambda g: 'from = "others", ' + pulse(g, "lasts", 300, 600)),
    "memory_bandwidth": ("memory", True, BUSY, lambda g: f"threads = {g.choice([2, 3, 4])}"),
    "memory_pressure": ("memory", True, BUSY, lambda g: f'hold = "250MB", churn = "20GB/s", threads = {g.choice([2, 3, 4])}'),
    "disk_contention": ("storage", True, FREE + ', checkpoint_every = 1, checkpoint = "64MB"',
                        lambda g: f'directory = "/var/tmp", block = "16MiB", size = "512MB", threads = {g.choice([3, 4, 6])}'),
    # One pause of each node a block, so that they seldom meet: of nodes that are stopped at the same time none had its turn.
    "in_turn": ("compute", False, FREE, lambda g: f'pause = "{round(pick(g, 60, 120))}ms", every = "1s", count = 1, schedule = "poisson"'),
    "one_link": ("network", False, FREE, lambda g: pulse(g, "lasts", 300, 600)),
    "two_nodes": ("compute", False, FREE, lambda g: f'clock = "{round(100 / pick(g, 1.2, 2.5))}%"'),
    # Not among the kinds that are run unless asked for: files that are read past the page cache, from the disk that is kept busy.
    # One loader that is one batch ahead, and batches so large that it cannot hide how long the disk takes.
    "input": ("storage", True, FREE + ', input = "files", input_direct = true, input_workers = 1, input_prefetch = 1, input_bytes = "32MiB", input_passes = 1',
              lambda g: f'directory = "/var/tmp", block = "16MiB", size = "512MB", threads = {g.choice([3, 4, 6])}'),
}
NOT_BY_DEFAULT = ("memory_bandwidth", "input")

# name -> (workload, its settings, FREE and BUSY peak in GFLOP/s, the mesh of 4 nodes; of 8 nodes dp is twice as large)
WORKLOADS = {
    "ddp": ("ddp", 'model = "gpt2-small", scale = 0.02', 100, 500, ""),
    "fsdp": ("fsdp", 'model = "gpt2-small", scale = 0.02', 100, 500, ""),
    "tensor": ("tensor", 'model = "gpt2-small", scale = 0.01, micro_batches = 2', 100, 500, "tp = 2"),
    "pipeline": ("pipeline", 'model = "mixtral-8x7b", scale = 0.0001, micro_batches = 8', 100, 500, "pp = 4"),
    "moe": ("moe", "scale = 0.0005", 50, 250, "ep = 4"),
    "transformer": ("transformer", 'model = "gpt2-small", scale = 0.005, micro_batches = 4', 50, 250, "tp = 2, pp = 2"),
}

SCENARIO = """
local grit = require "grit"
return grit.scenario {{
  name = "culprit",
  summary = "{kind} on {where}",
  workload = grit.workload.{workload} {{ {settings} }},
  mesh = {{ {mesh} }},
  faults = {{ grit.fault.{fault} {{ {on}, {parameters} }} }},
  design = {{ pairs = {pairs}, max_pairs = {max_pairs}, block = "{block}", link_test = true }},
  expect = {{ slowdown = {{ at_least = "1%" }} }},
}}
"""


def injections(options):
    """The same for the same seed, however many are run: every kind in turn, in a random order."""
    generator = random.Random(options.seed)
    order = []
    while len(order) < options.runs:
        order += generator.sample(options.kinds, len(options.kinds))
    for index, kind in enumerate(order[:options.runs]):
        own = random.Random(f"{options.seed}/{index}")
        node, parameters = own.randrange(options.nodes), KINDS[kind][3](own)
        # One further in each round of the kinds, so that no kind always meets the same workloads.
        workload = options.workloads[(index + index // len(options.kinds)) % len(options.workloads)]
        if kind == "link_rate" and workload == "pipeline":  # stages send 30 kB a step, which no rate holds up before a job stands still
            workload = "tensor"
        yield index, kind, PLACES[kind][1](node, options.nodes, own) if kind in PLACES else node, parameters, workload


def scenario_of(kind, where, parameters, workload, options):
    if kind == "one_link":
        on = f'on = {where[0]}, from = "{where[1]}"'
    else:
        on = "on = " + ('"all"' if where == "all" else f"{{ {where[0]}, {where[1]} }}" if kind == "two_nodes" else str(where))
    name, settings, free, busy, mesh = WORKLOADS[workload]
    if kind == "link_rate" and workload == "transformer":  # a tenth to a fifth of what the others send
        parameters = parameters.replace("Mbit/s", "00kbit/s")
    own = KINDS[kind][2].replace(FREE, f'peak = "{free}GFLOP/s"').replace(BUSY, f'peak = "{busy}GFLOP/s"')
    return SCENARIO.format(kind=kind, where=where, fault=PLACES[kind][0] if kind in PLACES else kind, on=on, parameters=parameters, pairs=options.pairs,
                           max_pairs=options.max_pairs, block=options.block, workload=name, settings=f"{settings}, {own}", mesh=mesh)


def run(directory, scenario, options):
    """grit's own end: 0 to 2 are verdicts; 69 may be another run on this machine, which ends."""
    for _ in range(1000):
        done = subprocess.run([GRIT, "run", str(scenario), "--out", str(directory), "-n", str(options.nodes), "--seed", "1"],
                              capture_output=True, text=True)
        if done.returncode in (0, 1, 2, 70) and (directory / "verdict.json").exists():  # 70: residue, on a machine with other tests also of theirs; the verdict says so
            return None
        if done.returncode != 69 or "another grit run" not in done.stderr:
            said = " | ".join(line for line in done.stderr.splitlines() if "culprit  block " not in line)
            return said or f"ended with {done.returncode} and said nothing"
        subprocess.run(["rm", "-rf", str(directory)], check=False)
        time.sleep(0.5)
    return "another grit run goes on and on"


def blame(verdict):
    """(resource, the places that are named or None, all alike); a place is a node, a link, or turns"""
    suspects = verdict["suspects"]
    named = suspects[:verdict.get("culprits", int(verdict["culprit"] is not None))]
    if named:
        places = set()
        for suspect in named:
            name = suspect["node_name"]
            if name.endswith("in turn") or name == "one node after another":
                places.add("turns")
            elif name.startswith("link "):
                places.add("link " + "-".join(map(str, sorted(suspect["nodes"]))))
            else:
                places.add(suspect["node"])
        return named[0]["resource"], None if -1 in places else places, False
    if not suspects or suspects[0]["share_explained"] < 0.5:
        return "none", None, False
    return suspects[0]["resource"], None, suspects[0]["resource"] != "unknown"


def places_of(kind, where):
    if kind == "in_turn":
        return {"turns"}
    if kind == "one_link":
        return {"link " + "-".join(map(str, sorted(where)))}
    return set(where) if kind == "two_nodes" else {where}


def judge(kind, really, verdict):
    resource, named, alike = blame(verdict)
    truth, shared = KINDS[kind][:2]
    if named is not None:
        where = "right" if named == places_of(kind, really) else "wrong"
    elif alike:
        where = "right" if shared else "wrong"
    else:
        where = "not told"
    return truth, resource, where


def print_table(results):
    table, where, kinds, workloads = defaultdict(Counter), defaultdict(Counter), defaultdict(Counter), defaultdict(Counter)
    for kind, truth, named, place, _, workload in results:
        workloads[workload]["n"] += 1
        workloads[workload]["both right" if truth == named and place == "right" else place] += 1
        table[truth][named] += 1
        where[truth][place] += 1
        kinds[kind]["n"] += 1
        kinds[kind]["both right"] += truth == named and place == "right"
        kinds[kind][f"resource {'right' if truth == named else 'wrong'}"] += 1
        kinds[kind][place] += 1
    print(f"\n{'really':10}" + "".join(f"{name:>9}" for name in RESOURCES) + "   node right  wrong  not told")
    for truth in RESOURCES[:4]:
        if table[truth]:
            print(f"{truth:10}" + "".join(f"{table[truth][name] or '.':>9}" for name in RESOURCES) +
                  f"{where[truth]['right']:13}{where[truth]['wrong']:7}{where[truth]['not told']:10}")
    print(f"\n{'kind':18}{'runs':>5}{'both right':>12}{'resource':>10}{'node right':>12}{'wrong':>7}{'not told':>10}")
    for kind, counts in kinds.items():
        star = "*" if KINDS[kind][1] else ""
        print(f"{kind + star:18}{counts['n']:5}{counts['both right']:12}{counts['resource right']:10}{counts['right']:12}"
              f"{counts['wrong']:7}{counts['not told']:10}")
    print(f"\n{'workload':18}{'runs':>5}{'both right':>12}{'wrong':>7}{'not told':>10}")
    for workload, counts in workloads.items():
        print(f"{workload:18}{counts['n']:5}{counts['both right']:12}{counts['wrong']:7}{counts['not told']:10}")
    both = sum(counts["both right"] for counts in kinds.values())
    large = [truth == named and place == "right" for _, truth, named, place, slower, _ in results if slower >= 0.1]
    print(f"\nresource and node right: {both} of {len(results)}; where steps took 10 % longer and more: {sum(large)} of {len(large)}\n{LEGEND}")


def names_of(known):
    def parse(text):
        names = text.split(",")
        if unknown := [name for name in names if name not in known]:
            raise argparse.ArgumentTypeError(f"unknown: {', '.join(unknown)}; there are {', '.join(known)}")
        return names
    return parse


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--nodes", type=int, default=4)
    parser.add_argument("--pairs", type=int, default=8)
    parser.add_argument("--max-pairs", type=int, default=16, help="a run that is not clear by then goes on up to so many")
    parser.add_argument("--block", default="1s")
    parser.add_argument("--out", type=Path, default=Path("runs/bench-culprit"))
    parser.add_argument("--kinds", type=names_of(KINDS), default=[kind for kind in KINDS if kind not in NOT_BY_DEFAULT])
    parser.add_argument("--workloads", type=lambda text: list(WORKLOADS) if text == "all" else names_of(WORKLOADS)(text), default=["ddp"],
                        help="names, or \"all\"")
    parser.add_argument("--again", action="store_true", help="judge the runs that are there anew")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    results, started = [], time.monotonic()
    for index, kind, node, parameters, workload in injections(options):
        directory = options.out / f"{index:03}-{workload}-{kind}"
        scenario = options.out / f"{index:03}-{workload}-{kind}.lua"
        if options.again and (directory / "plan.json").exists():
            subprocess.run([GRIT, "report", str(directory)], capture_output=True, check=False)
        if not (directory / "verdict.json").exists():
            subprocess.run(["rm", "-rf", str(directory)], check=True)
            scenario.write_text(scenario_of(kind, node, parameters, workload, options))
            if error := run(directory, scenario, options):
                subprocess.run(["rm", "-rf", str(directory)], check=True)
                print(f"{index + 1:3}/{options.runs} {workload}, {kind} on {node} ({parameters}): did not run: {error}", flush=True)
                continue
        verdict = json.loads((directory / "verdict.json").read_text())
        fault = json.loads((directory / "plan.json").read_text())["faults"][0]  # what was really done
        if kind not in PLACES:
            node = fault["node"]
        parameters = json.dumps(fault["params"])
        truth, named, place = judge(kind, node, verdict)
        results.append((kind, truth, named, place, verdict["effect"]["estimate"] if verdict["effect"] else 0, workload))
        mark = "ok " if truth == named and place == "right" else "BAD"
        slower = f"{100 * verdict['effect']['estimate']:+.0f} %" if verdict["effect"] else "?"
        print(f"{index + 1:3}/{options.runs} {time.monotonic() - started:5.0f} s  {mark} {workload}, {kind} on {node} ({parameters}): {slower}; "
              f"{verdict['culprit_text'] or 'no slowdown shown'}", flush=True)
    if results:
        print_table(results)


sys.exit(main())
