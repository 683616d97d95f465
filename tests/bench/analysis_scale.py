#!/usr/bin/env python3
"""The analysis of 16,384 ranks x 1,000 steps with all that 2,048 nodes report, on one core: CPU time, memory and records/s, beside pandas (else NumPy) on the same file.

usage: tests/bench/analysis_scale.py [BUILD_DIRECTORY] [DIRECTORY_FOR_THE_FILE] [NODES]

Makes a run directory of 2.3 GB (2,048 nodes) with events, usage, checks, environments and the link test's figures, and takes it away again. The file is in the page cache when it is read: it has just been written."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

NEEDED_BYTES = 4 << 30
build = Path(sys.argv[1] if len(sys.argv) > 1 else "build/release")
where = Path(sys.argv[2] if len(sys.argv) > 2 else tempfile.gettempdir())
nodes = int(sys.argv[3]) if len(sys.argv) > 3 else 2048
program = build / "tests/bench/bench_analysis"

COMPARED = """
import json, resource, sys, time
import numpy
try:
    import pandas
except ImportError:
    pandas = None
begin = time.process_time()
steps = numpy.load(sys.argv[1], mmap_mode="r")
times = steps["end_ns"] - steps["start_ns"]
block, step = numpy.array(steps["block"]), numpy.array(steps["step"])
if pandas:
    frame = pandas.DataFrame({"block": block, "step": step, "ns": times})
    of_steps = frame.groupby(["block", "step"], sort=False)["ns"].mean()
    of_blocks = of_steps.groupby("block").agg(["mean", "median"])
    rows = len(of_blocks)
else:
    place = block.astype(numpy.int64) * (int(step.max()) + 1) + step
    sums, counts = numpy.bincount(place, weights=times), numpy.bincount(place)
    there = numpy.flatnonzero(counts)
    means, blocks = sums[there] / counts[there], there // (int(step.max()) + 1)
    rows = len([(means[blocks == b].mean(), numpy.median(means[blocks == b])) for b in numpy.unique(blocks)])
seconds = time.process_time() - begin
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(json.dumps({"what": f"the same block times with {'pandas ' + pandas.__version__ if pandas else 'NumPy ' + numpy.__version__}",
                  "cpu_s": seconds, "records_per_s": len(steps) / seconds, "blocks": rows,
                  "own_peak_mib": int(status["RssAnon"].split()[0]) / 1024}))
"""


def on_one_core(*command):
    core = max(os.sched_getaffinity(0))
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, preexec_fn=lambda: os.sched_setaffinity(0, {core}),
                          env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"})
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def show(row):
    print(f"{row['what']:62} {row['cpu_s']:7.2f} s CPU {row['records_per_s'] / 1e6:8.1f} M records/s   own memory at most {row['own_peak_mib']:6.0f} MiB", flush=True)


if not program.exists():
    sys.exit(f"{program} is not there; build it with: ninja -C {build} bench_analysis")
if shutil.disk_usage(where).free < NEEDED_BYTES:
    sys.exit(f"{where} has less than 4 GB free; name another directory: {sys.argv[0]} {build} DIRECTORY")
with tempfile.TemporaryDirectory(dir=where, prefix="grit-analysis-") as directory:
    run = Path(directory) / "run"
    began = time.monotonic()
    subprocess.run([program, "generate", run, str(nodes)], check=True)
    size = (run / "steps.npy").stat().st_size
    print(f"{nodes * 8:,} ranks x 1,000 steps: {size / 1e9:.2f} GB, made in {time.monotonic() - began:.0f} s; one core, page cache warm", flush=True)
    for name in ("events.jsonl", "links.jsonl"):
        print(f"{name}: {(run / name).stat().st_size / 1e6:.0f} MB")
    for row in on_one_core(program, "measure", run):
        show(row)
    print(f"report.html: {(run / 'report.html').stat().st_size / 1e6:.1f} MB")
    compared = on_one_core("/usr/bin/python3", "-c", COMPARED, run / "steps.npy")
    for row in compared:
        show(row)
        assert row["blocks"] == 17, row
