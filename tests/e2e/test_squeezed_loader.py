"""A data loader that is slow for want of CPUs, and one that is slow for want of its disk: who is blamed, and for what.

Everything that one node's rank has on the host (its loaders, its helper thread, the rank itself) shares one CPU, the
first, which other programs use as well, as a first CPU is used; all other nodes have them all. Only so can a node of a
local cluster be short of CPUs alone: what all of them use together is less than the machine has.
Then the disk that all loaders read from, past the page cache, is kept busy: on a local cluster it is every node's."""

import json
import os
import subprocess
import sys
import tempfile
from contextlib import contextmanager

from gritlib import Workspace, assert_same_state, grit, machine_state, skip, verdict, with_numpy

NODES, SQUEEZED, WORKERS = 3, 1, 2
OTHERS = 12      # programs on the first CPU: two loaders together get a seventh of it
STEP_MS = 120    # of the emulated accelerator at this speed: 6 FLOPs for each of 0.62 million parameters and 1024 tokens
PEAK = 'peak = "32GFLOP/s"'
SHARE = 0.25     # of a CPU that a node's loaders need
SCENARIO = """
local grit = require "grit"
return grit.scenario {
  name = "loader",
  summary = "a data loader that is slow",
  workload = grit.workload.ddp {
    model = "gpt2-small", scale = 0.005, compute = "emulated", input = "files", input_prefetch = 1, %s },
  faults = { %s },
  design = { %s },
  expect = { slowdown = { at_least = "1%%" } },
}
"""
SPIN = "import os\nos.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\nwhile True: pass"


@contextmanager
def others_on_first_cpu():
    running = [subprocess.Popen([sys.executable, "-c", SPIN]) for _ in range(OTHERS)]
    try:
        yield
    finally:
        for one in running:
            one.kill()
            one.wait()


def phases(directory):
    """Median ms of a step and of its input phase, by block and rank."""
    code = ("import json, numpy, sys; a = numpy.load(sys.argv[1]); a = a[a['step_in_block'] > 2]; "
            "print(json.dumps([[int(b), int(r), float(numpy.median(s['end_ns'] - s['start_ns'])) / 1e6, float(numpy.median(s['input_ns'])) / 1e6] "
            "for b in sorted(set(a['block'])) for r in sorted(set(a['rank'])) for s in [a[(a['block'] == b) & (a['rank'] == r)]] if len(s)]))")
    return json.loads(with_numpy(code, directory / "steps.npy"))


def show(directory, result):
    print(result["sentence"], result.get("culprit_text"), sep="\n")
    for suspect in result["suspects"]:
        print(f'  {suspect["node_name"]}: {suspect["resource"]}, {suspect["why"]}')
    print("block, rank, ms a step, ms in input:", [[b, r, round(s), round(i)] for b, r, s, i in phases(directory)[:18]], flush=True)


def run(work, name, nodes, workload, faults, design, tries=1):
    """A busy machine can make a run inconclusive, which is an honest answer and no defect: such a run is done again, aloud."""
    scenario = work.write(f"{name}.lua", SCENARIO % (workload, faults, design))
    for attempt in range(1, tries + 1):
        directory = work.path / f"{name}{attempt}"
        grit("run", scenario, "-n", nodes, "--seed", 7, "--out", directory, expect=(0, 1, 2))
        result = verdict(directory)
        show(directory, result)
        if result["verdict"] != "inconclusive":
            break
    return directory


def blamed(result):
    """(resource, nodes) that the analysis says with confidence; no nodes: all alike. None: it cannot tell."""
    suspects = result["suspects"]
    named = suspects[:result.get("culprits", int(result["culprit"] is not None))]
    if named:
        return named[0]["resource"], sorted(suspect["node"] for suspect in named)
    if not suspects or suspects[0]["share_explained"] < 0.5 or suspects[0]["resource"] == "unknown":
        return None
    return suspects[0]["resource"], []


def passes_for(work, wanted_ms):
    """How many passes over a batch of 256 KiB keep one worker busy for so long: it depends on the machine and the build."""
    tried = 400
    measured = run(work, "speed", 2, f'peak = "100TFLOP/s", input_workers = 1, input_bytes = "256KiB", input_passes = {tried}', "", 'pairs = 6, block = "600ms"')
    step_ms = sorted(step for _, _, step, _ in phases(measured))[0]
    print(f"{tried} passes take {step_ms:.2f} ms", flush=True)
    return max(1, round(tried * wanted_ms / step_ms))


if len(os.sched_getaffinity(0)) < 2:
    skip("it takes two CPUs")
before = machine_state()
tempfile.tempdir = "/var/tmp"  # on a disk
with Workspace() as work:
    passes = passes_for(work, SHARE * STEP_MS)
    with others_on_first_cpu():
        squeezed = run(work, "squeezed", NODES, f'{PEAK}, helper_threads = 1, input_workers = {WORKERS}, input_bytes = "256KiB", input_passes = {passes}',
                       f"grit.fault.affinity_squeeze {{ on = {SQUEEZED} }}", 'pairs = 8, max_pairs = 16, block = "1500ms"', tries=3)
    result = verdict(squeezed)
    assert result["verdict"] == "reproduced", result["sentence"]
    assert blamed(result) == ("compute", [SQUEEZED]), result["suspects"]

    # One loader that is one batch ahead, and batches so large that it cannot hide how long the disk takes.
    slow_disk = run(work, "slow_disk", NODES, f'{PEAK}, input_workers = 1, input_bytes = "32MiB", input_passes = 1, input_direct = true',
                    'grit.fault.disk_contention { on = 1, directory = "/var/tmp", block = "16MiB", size = "512MB", threads = 4 }',
                    'pairs = 8, max_pairs = 16, block = "1500ms"', tries=3)
    result = verdict(slow_disk)
    assert result["verdict"] == "reproduced", result["sentence"]
    assert blamed(result) == ("storage", []), result["suspects"]
assert_same_state(before)
