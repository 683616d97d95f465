#!/usr/bin/env python3
"""Each workload of parallel training on 8 nodes of the local cluster: whether all values arrive as they were sent, how many bytes each operation
moves in a step against the plan's formula, and for the pipeline what share of a step its stages wait, against (p-1)/(m+p-1).

What a stage waits is its exposed communication, as a share of the step, the median over steps and ranks; beside it the formula of even stages and
that of these stages, of which the last one has the head as well (idle_share in the plan). Where stages have tensor groups, too, what they wait for these
is in it, so that it is also told how long they wait for their pipeline alone: from the spans of its sends and receives.

usage: GRIT=build/release/grit GRIT_SOURCE=. tests/bench/mesh_workloads.py [SECONDS] [NAME ...]"""

import collections
import json
import sys
from pathlib import Path

import numpy

sys.path.insert(0, str(Path(__file__).parent.parent / "e2e"))
from gritlib import Workspace, grit  # noqa: E402

SECONDS = float(sys.argv[1]) if len(sys.argv) > 1 else 12
NAMES = sys.argv[2:]
NODES = 8
OPERATIONS = ("all_reduce", "reduce_scatter", "all_gather", "all_to_all", "send", "receive")
BYTES = 3  # DataType::bytes: numbers of tokens, which the formula leaves out
AXES = ("dp", "tp", "pp", "ep", "edp")

# Slow enough for 8 ranks on two cores: what a step waits for is then the accelerator and not the CPU.
CASES = {
    "ddp": ("ddp", "scale = 0.02, peak = '200GFLOP/s'", ""),
    "fsdp": ("fsdp", "scale = 0.02, peak = '200GFLOP/s'", ""),
    "fsdp no reshard": ("fsdp", "scale = 0.02, peak = '200GFLOP/s', reshard = false, micro_batches = 2", ""),
    "tensor": ("tensor", "scale = 0.01, peak = '100GFLOP/s'", "tp = 2"),
    "tensor sequence": ("tensor", "scale = 0.01, peak = '100GFLOP/s', sequence_parallel = true", "tp = 2"),
    # Of the models Mixtral's stages are the most even: the head is 4 % of one's work.
    # At 100 GFLOP/s a step also waits some 10 ms for 8 ranks on two cores to move its activations; five times as slow, that hardly counts.
    "pipeline": ("pipeline", "model = 'mixtral-8x7b', scale = 0.0001, peak = '20GFLOP/s', micro_batches = 8", "pp = 4"),
    "pipeline 4": ("pipeline", "model = 'mixtral-8x7b', scale = 0.0001, peak = '20GFLOP/s', micro_batches = 4", "pp = 4"),
    # Four chunks a stage send four times as many messages: their 28 ms a step were a fifth of what is waited for at 20 GFLOP/s.
    "pipeline chunks": ("pipeline", "model = 'mixtral-8x7b', scale = 0.0001, peak = '4GFLOP/s', micro_batches = 8, chunks = 4", "pp = 4"),
    "pipeline fast": ("pipeline", "model = 'mixtral-8x7b', scale = 0.0001, peak = '100GFLOP/s', micro_batches = 8", "pp = 4"),
    "pipeline uneven": ("pipeline", "scale = 0.01, peak = '50GFLOP/s', micro_batches = 8", "pp = 4"),
    "moe": ("moe", "scale = 0.0005, peak = '50GFLOP/s'", "ep = 4"),
    "moe balance 4": ("moe", "scale = 0.0005, peak = '50GFLOP/s', balance = 4", "ep = 4"),
    "transformer even": ("transformer", "model = 'mixtral-8x7b', scale = 0.0001, peak = '20GFLOP/s', micro_batches = 8", "tp = 2, pp = 2"),
    "transformer": ("transformer", "scale = 0.005, peak = '50GFLOP/s', micro_batches = 4", "tp = 2, pp = 2"),
    "transformer sharded": ("transformer", "scale = 0.005, peak = '50GFLOP/s', micro_batches = 4, sharded = true, sequence_parallel = true, chunks = 2",
                            "tp = 2, pp = 2"),
}


def scenario(workload, settings, mesh):
    return f"""
local grit = require "grit"
return grit.scenario {{
  name = "mesh", summary = "a workload over a mesh",
  workload = grit.workload.{workload} {{ {settings} }},
  mesh = {{ {mesh} }},
  design = {{ pairs = 6, block = "{SECONDS / 12:.3f}s", warmup = 1 }},
  expect = {{ slowdown = {{ at_most = "1000%" }} }},
}}
"""


def coordinates(rank, mesh):
    tp, dp = mesh["tp"], mesh["dp"]
    return {"tp": rank % tp, "dp": rank // tp % dp, "pp": rank // (tp * dp)}


def group_axes(mesh):
    """The axis of each group by its id: 0 is the world, then all groups of each axis of more than one rank."""
    sizes = {**mesh, "edp": mesh["dp"] // mesh["ep"] if mesh["ep"] > 1 else 1}
    ranks = mesh["dp"] * mesh["tp"] * mesh["pp"]
    axes = ["world"]
    for axis in AXES:
        if sizes[axis] > 1:
            axes += [axis] * (ranks // sizes[axis])
    return axes


def formula_of(stage):
    told = collections.Counter()
    for one in stage["traffic"]:
        told[(one["operation"], one["axis"], one["bytes"])] += one["count"]
    return told


def against_formula(plan, spans):
    """Steps of ranks whose operations are exactly the formula's, and those that are not; all-to-alls by their sum over all ranks of the step."""
    mesh, stages, axes = plan["mesh"], plan["by_formula"]["stages"], group_axes(plan["mesh"])
    right = wrong = 0
    routed = collections.Counter()
    expected_routed = collections.Counter()
    spans = spans[spans["type"] != BYTES]
    last = spans["step"].max()
    order = numpy.lexsort((spans["rank"], spans["step"]))
    spans = spans[order]
    edges = numpy.flatnonzero(numpy.diff(spans["step"].astype(numpy.int64) * 65536 + spans["rank"])) + 1
    for part in numpy.split(spans, edges):
        rank, step = int(part["rank"][0]), int(part["step"][0])
        if step == last:
            continue  # may be cut off
        told = collections.Counter()
        for one in part:
            operation = OPERATIONS[one["operation"]]
            if operation == "all_to_all":
                routed[step] += int(one["bytes"])
            else:
                told[(operation, axes[one["group"]], int(one["bytes"]))] += 1
        formula = formula_of(stages[coordinates(rank, mesh)["pp"]])
        for key in [key for key in formula if key[0] == "all_to_all"]:
            expected_routed[step] += key[2] * formula.pop(key)
        right, wrong = (right + 1, wrong) if told == formula else (right, wrong + 1)
    return right, wrong, sum(routed[step] == expected_routed[step] for step in expected_routed), len(expected_routed)


def idle_shares(plan, steps):
    """Of each pipeline stage, the median over steps and ranks."""
    mesh = plan["mesh"]
    length = (steps["end_ns"] - steps["start_ns"]).astype(float)
    stage = steps["rank"] // (mesh["tp"] * mesh["dp"])
    return [float(numpy.median((steps["exposed_comm_ns"] / length)[stage == one])) for one in range(mesh["pp"])]


def pipeline_waits(plan, steps, spans):
    """The same, of waiting for the sends and receives of the pipeline alone."""
    axes = numpy.array(group_axes(plan["mesh"]) + ["?"])
    spans = spans[(axes[numpy.minimum(spans["group"], len(axes) - 1)] == "pp") & (spans["wait_ns"] > 0)]
    key = lambda records: records["step"].astype(numpy.int64) * 65536 + records["rank"]  # noqa: E731
    order = numpy.argsort(key(steps))
    steps = steps[order]
    at = numpy.searchsorted(key(steps), key(spans))
    known = (at < len(steps)) & (key(steps)[numpy.minimum(at, len(steps) - 1)] == key(spans))
    waited = numpy.bincount(at[known], weights=(spans["exit_ns"] - spans["wait_ns"])[known], minlength=len(steps))
    alone = steps.copy()
    alone["exposed_comm_ns"] = waited
    return idle_shares(plan, alone)


for name, (workload, settings, mesh) in CASES.items():
    if NAMES and name not in NAMES:
        continue
    with Workspace() as work:
        file = work.write("mesh.lua", scenario(workload, settings, mesh))
        run = work.path / "run"
        grit("run", file, "-n", NODES, "--out", run, expect=(0, 1, 2), timeout=300)
        plan = json.loads((run / "plan.json").read_text())
        plan.setdefault("mesh", {"dp": NODES, "tp": 1, "pp": 1, "ep": 1})
        steps = numpy.load(run / "steps.npy")
        steps = steps[steps["block"] > 0]
        took = numpy.median(steps["end_ns"] - steps["start_ns"]) / 1e6
        print(f"{name}: {len(numpy.unique(steps['step']))} steps of {took:.1f} ms, {int(steps['corrupted'].sum())} values corrupted", flush=True)
        spans_file = run / "collectives.npy"
        if spans_file.exists() and "by_formula" in plan:
            right, wrong, routed, all_routed = against_formula(plan, numpy.load(spans_file))
            print(f"  steps of a rank with the formula's operations and bytes: {right}, with others: {wrong}"
                  + (f"; steps with the formula's routed bytes: {routed} of {all_routed}" if all_routed else ""))
        if plan["mesh"]["pp"] > 1:
            by_formula = plan["by_formula"]
            shares = idle_shares(plan, steps)
            expected = [stage["idle_share"] for stage in by_formula["stages"]]
            percent = lambda numbers: ", ".join(f"{100 * number:.1f}" for number in numbers)  # noqa: E731
            print(f"  idle by stage {percent(shares)} %, mean {100 * sum(shares) / len(shares):.1f} %; by formula {percent(expected)} %; "
                  f"(p-1)/(vm+p-1) = {100 * by_formula['bubble_share']:.1f} %")
            if plan["mesh"]["tp"] > 1:
                shares = pipeline_waits(plan, steps, numpy.load(spans_file))
                print(f"  waiting for the pipeline alone, by stage {percent(shares)} %, mean {100 * sum(shares) / len(shares):.1f} %")
