"""Training whose data and work are on GPUs, moved by NCCL, with stand-ins for CUDA, cuBLAS and NCCL: what grit's module and its users do, and nothing
about a GPU, as the verdict says. All values arrive as they were sent, a flipped bit is found, and the job ends as it should where the device or NCCL
fails."""

import json
import os
from gritlib import Workspace, assert_same_state, events, grit, load_steps, machine_state, skip, verdict, with_numpy

LIBRARIES = os.environ.get("GRIT_FAKE_CUDA_LIBRARIES")
if not LIBRARIES:
    skip("grit was built without CUDA or NCCL")

TRAINING = """
local grit = require "grit"
return grit.scenario {
  name = "fake_%(workload)s",
  workload = grit.workload.%(workload)s { %(settings)s, compute = "cuda", patience = "5s" },
  mesh = { %(mesh)s },
  faults = { grit.fault.rank_delay { on = 1, delay = "60ms" } },
  design = { pairs = 6, block = "2 steps", warmup = 1 },
  expect = { slowdown = { at_most = "10000%%" } },
}
"""

# Values that were wrong; the operations of the spans; spans that end before they begin, or that no step has.
COUNTED = """
import json, numpy, sys
steps, spans = numpy.load(sys.argv[1]), numpy.load(sys.argv[2])
print(json.dumps([int(steps['corrupted'].sum()), sorted(set(spans['operation'].tolist())),
                  int((spans['exit_ns'] < spans['entry_ns']).sum()), int(spans['wrong'].sum())]))
"""
ALL_REDUCE, REDUCE_SCATTER, ALL_GATHER, ALL_TO_ALL, SEND, RECEIVE = range(6)
OPERATIONS = {
    "ddp": {ALL_REDUCE},
    "fsdp": {REDUCE_SCATTER, ALL_GATHER},
    "tensor": {ALL_REDUCE},
    "pipeline": {SEND, RECEIVE},
    "moe": {ALL_TO_ALL},
}
MESHES = {"ddp": "", "fsdp": "", "tensor": "tp = 2", "pipeline": "pp = 2", "moe": "ep = 2"}


def fakes(work, *lines):
    """The environment of a grit that takes the stand-ins, which do as the lines say (tests/fakes/cuda/script.hpp)."""
    return {"LD_LIBRARY_PATH": LIBRARIES, "GRIT_FAKE_CUDA": str(work.write("fakes.txt", "\n".join(lines) + "\n"))}


SETTINGS = {
    "ddp": 'model = "gpt2-small", scale = 2e-4',
    "fsdp": 'model = "gpt2-small", scale = 2e-3, sequence = 64',
    "tensor": 'model = "gpt2-small", scale = 2e-3, sequence = 64',
    "pipeline": 'model = "gpt2-small", scale = 2e-3, sequence = 64',
    "moe": 'model = "mixtral-8x7b", scale = 2e-5, sequence = 64',
}


def training(work, workload):
    return work.write(f"{workload}.lua", TRAINING % {"workload": workload, "settings": SETTINGS[workload], "mesh": MESHES[workload]})


before = machine_state()
with Workspace() as work:
    for workload, operations in OPERATIONS.items():
        run = work.path / workload
        done = grit("run", training(work, workload), "-n", 2, "--out", run, expect=(0, 1, 2), timeout=300, env=fakes(work))
        print(done.out, flush=True)
        assert any(line.startswith(f"fake_{workload}: FAKE") for line in done.out.splitlines()), done.out
        result = verdict(run)
        assert result["outcome"] == "completed" and result["residue"] == [], result
        assert any("FAKE" in part for part in result["emulated"]), result["emulated"]
        assert "FAKE" in (run / "report.html").read_text()
        [description] = [event["description"] for event in events(run, "workload")]
        assert description["compute"] == "cuda" and description["gpu"]["fake"], description
        assert load_steps(run)[2] == 2, "not all ranks have recorded steps"
        wrong, seen, backwards, wrong_of_spans = json.loads(with_numpy(COUNTED, run / "steps.npy", run / "collectives.npy"))
        assert (wrong, backwards, wrong_of_spans) == (0, 0, 0), (wrong, backwards, wrong_of_spans)
        assert operations <= set(seen), (operations, seen)

    # What is there, and why not the rest.
    said = grit("doctor", env=fakes(work, "devices 2", "gpu1.pci 0000:07:00.0")).out
    assert "FAKE" in said and "0000:07:00.0" in said, said
    # A library that crashes in a GPU's driver does not take grit with it.
    said = grit("doctor", env=fakes(work, "abort cudaGetDeviceCount")).out
    assert "the process that asks NVIDIA's library has ended" in said, said
    for lines, words in (
        (("driver 12040",), "driver"),
        (("devices 0",), "no CUDA-capable device"),
        (("return cudaGetDeviceCount#1+ 803",), "driver"),
    ):
        said = grit("doctor", env=fakes(work, *lines)).out
        assert words in said, said
        refused = grit("run", training(work, "ddp"), "-n", 2, "--out", work.path / f"refused {lines[0]}", env=fakes(work, *lines))
        assert refused.returncode not in (0, 1, 2) and words in refused.err, (refused.returncode, refused.err)

    # A rank's device or NCCL fails in the midst of the run: said why, and nothing is left.
    for name, line, words in (
        ("lost", "on OMPI_COMM_WORLD_RANK=1 async cudaLaunchKernel#600 719", "the GPU does not work any more"),
        ("remote", "on OMPI_COMM_WORLD_RANK=1 async ncclAllReduce#60 6", "another rank or the way to it failed"),
        ("hang", "delay ncclAllReduce#60+ 1e6", "has not ended within 5 s: another rank did not begin it, or the network does not deliver; RAS did not answer ("),
    ):
        run = work.path / name
        ended = grit("run", training(work, "ddp"), "-n", 2, "--out", run, env=fakes(work, line), timeout=120)
        assert ended.returncode not in (0, 1), (ended.returncode, ended.out)
        assert verdict(run)["outcome"] != "completed" and words in ended.err + ended.out, (verdict(run), ended.err)

    # One rank alone cannot make a communicator: the others do not wait for it until their patience ends.
    for name, line in (("open", "return ncclCommInitRankConfig 2"), ("state", "return ncclCommGetAsyncError 2")):
        script = work.write(f"{name}.lua", training(work, "ddp").read_text().replace('"5s"', '"10min"'))
        ended = grit("run", script, "-n", 2, "--out", work.path / name, env=fakes(work, f"on OMPI_COMM_WORLD_RANK=1 {line}"), timeout=120)
        assert ended.returncode not in (0, 1, 2) and "rank 1 on node1: NCCL" in ended.err, (ended.returncode, ended.err)
assert_same_state(before)
