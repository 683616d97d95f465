"""A job that starts again from its last checkpoint after a rank's death: it does all of its steps, says what that took, goes on from
an older checkpoint where the newest is damaged, gives up after as many times as it may, and leaves nothing behind."""

import json
import os
import signal
import subprocess
import sys
import time

from gritlib import GRIT, Workspace, assert_same_state, children_of, cmdline, events, grit, machine_state, start, terminate, verdict
from gritlib import with_numpy
from documented import assert_documented

SCENARIO = """
local grit = require "grit"
return grit.scenario {
  name = "come_back", summary = "the job comes back",
  options = { restarts = { 1 }, at = { 8 } },
  workload = grit.workload.ddp { model = "gpt2-small", scale = 0.005, checkpoint_every = 5 },
  faults = function(o) return { FAULT } end,
  design = function(o) return { block = "20 steps", warmup = 5, restarts = o.restarts, pairs = PAIRS } end,
  expect = { restart = { detected_within = "5s", back_within = "60s", goodput_at_least = "0.1%" } },
}
"""
KILL = "grit.fault.process_kill { on = 1, at_step = o.at }"
DDP = 'workload = grit.workload.ddp { model = "gpt2-small", scale = 0.005, checkpoint_every = 5 },'
MESH = """workload = grit.workload.transformer {
    model = "gpt2-small", scale = 0.002, sequence = 64, micro_batches = 4, peak = "50TFLOP/s", checkpoint_every = 5,
    checkpoint_mode = "asynchronous", input = "files", input_workers = 1, input_bytes = "64KiB", input_file = "1MiB",
  },
  mesh = { pp = 2 },"""


def scenario(work, name, fault=KILL, pairs=1):
    return work.write(f"{name}.lua", SCENARIO.replace("FAULT", fault).replace("PAIRS", str(pairs)))


def steps_of(attempt):
    """By rank: its steps, in their order; and how many values were wrong in all."""
    code = ("import numpy, sys, json; a = numpy.load(sys.argv[1]); a.sort(order=['rank', 'step']); "
            "print(json.dumps([{int(r): a['step'][a['rank'] == r].tolist() for r in set(a['rank'].tolist())}, int(a['corrupted'].sum())]))")
    steps, wrong = json.loads(with_numpy(code, attempt / "steps.npy"))
    assert wrong == 0, (attempt, wrong)
    return {int(rank): of_rank for rank, of_rank in steps.items()}


def assert_nothing_left(run, before):
    assert_same_state(before)
    left = [path for path in run.rglob("*") if "checkpoint" in path.name or path.name.startswith("rank")]
    assert not left, left


def comes_back(work, before):
    """Killed in step 8 of its fault block, 3 or 4 steps after a checkpoint, whichever block comes first."""
    run = work.path / "back"
    done = grit("run", scenario(work, "back"), "--allow-destructive", "-n", 4, "--out", run, expect=0, timeout=180)
    print(done.out, flush=True)
    result = verdict(run)
    assert result["verdict"] == "reproduced" and result["outcome"] == "completed", result
    restarts = result["restarts"]
    assert restarts["steps"] == 45 and len(restarts["each"]) == 1, restarts
    (restart,) = restarts["each"]
    second = run / "attempts/2"
    first_steps, second_steps = steps_of(run), steps_of(second)
    complete = min(steps[-1] for steps in first_steps.values())
    (resumed,) = events(second, "resumed")
    assert restart["first_step"] == resumed["checkpoint"] + 1 and resumed["checkpoint"] % 5 == 4, (restart, resumed)
    assert restart["lost_steps"] == complete - resumed["checkpoint"] and 0 <= restart["lost_steps"] <= 5, (restart, complete)
    for rank in range(4):
        assert second_steps[rank] == list(range(restart["first_step"], 45)), (rank, second_steps[rank])
        assert first_steps[rank] == list(range(first_steps[rank][-1] + 1)), first_steps[rank]
    for part in ("detect_ns", "end_ns", "restart_ns", "recompute_ns"):
        assert restart[part] >= 0, restart
    parts = [restart[part] for part in ("detect_ns", "end_ns", "restart_ns", "recompute_ns")]
    assert 0 < restart["restart_ns"] < 60e9 and restart["back_ns"] == sum(parts) < restarts["wall_ns"], restarts
    goodput = restarts["steps"] * result["baseline_step_s"] * 1e9 / restarts["wall_ns"]
    assert abs(restarts["goodput"] / goodput - 1) < 1e-9 and goodput < 1, (restarts, goodput)
    assert not events(second, "fault") and not events(second, "rank_died"), "the fault came again"
    for directory in (run, second):
        assert_documented(directory)
        assert (directory / "report.html").exists()
    assert "How the job came back" in (run / "report.html").read_text()
    assert_nothing_left(run, before)
    again = grit("report", run, "--json", expect=0)
    assert '"most": 1' in again.out, again.out
    refused = grit("replay", second, "--allow-destructive", expect=64)
    assert "attempt 2" in refused.err, refused.err


def on_a_mesh(work, before):
    """Stages with two replicas each, which write beside their steps: each rank goes on with its part, and the batches that come then."""
    run = work.path / "mesh"
    file = scenario(work, "mesh")
    file.write_text(file.read_text().replace(DDP, MESH))
    done = grit("run", file, "--allow-destructive", "-n", 4, "--out", run, expect=0, timeout=180)
    print(done.out, flush=True)
    result = verdict(run)
    assert result["verdict"] == "reproduced" and result["outcome"] == "completed", result
    (restart,) = result["restarts"]["each"]
    assert restart["first_step"] > 0 and restart["first_step"] % 5 == 0 and 0 <= restart["lost_steps"] <= 10, restart
    steps = steps_of(run / "attempts/2")
    for rank in range(4):
        assert steps[rank] == list(range(restart["first_step"], 45)), (rank, steps[rank])
    assert_nothing_left(run, before)


def gives_up(work, before):
    """Three blocks kill it, and it may start again twice."""
    run = work.path / "often"
    done = grit("run", scenario(work, "often", pairs=3), "--allow-destructive", "--set", "restarts=2", "-n", 2, "--out", run, expect=2,
                timeout=240)
    print(done.out, flush=True)
    result = verdict(run)
    assert result["outcome"] == "rank_death" and len(result["restarts"]["each"]) == 2, result
    assert result["restarts"]["goodput"] is None, result["restarts"]
    assert (run / "attempts/3/plan.json").exists() and not (run / "attempts/4").exists()
    assert_nothing_left(run, before)


def ranks_of(process):
    return {pid for pid in children_of(process.pid) if " rank " in cmdline(pid) and "mpirun" not in cmdline(pid)}


def damaged(work, before):
    """The newest part of one rank is damaged on the disk while no rank lives to write it again: killed, all of them, by the test."""
    run = work.path / "damaged"
    process = start("run", scenario(work, "damaged", fault=""), "--out", run, "-n", 2)
    try:
        files = [run / "checkpoints" / f"rank1.{i}" for i in (0, 1)]
        deadline = time.monotonic() + 60
        while not (all(file.exists() for file in files) and 0 < files[0].stat().st_size == files[1].stat().st_size):
            assert process.poll() is None and time.monotonic() < deadline, process.communicate()
            time.sleep(0.002)
        # Stopped, so that the files hold still: the newer of the two is found by its step, the third word of 64 bits.
        ranks = ranks_of(process)
        for pid in ranks:
            os.kill(pid, signal.SIGSTOP)
        step = {file: int.from_bytes(file.read_bytes()[8:16], "little", signed=True) for file in files}
        newest = max(files, key=step.get)
        with open(newest, "r+b") as file:
            file.seek(200)
            byte = file.read(1)
            file.seek(200)
            file.write(bytes([byte[0] ^ 1]))
        os.kill(next(iter(ranks)), signal.SIGKILL)
        out, err = process.communicate(timeout=120)
    finally:
        terminate(process)
    print(out, flush=True)
    (resumed,) = events(run / "attempts/2", "resumed")
    assert resumed["checkpoint"] < step[newest], (resumed, step)
    assert resumed["checkpoint"] == min(step.values()) or resumed["checkpoint"] == -1, (resumed, step)
    assert any("rank 1" in text for text in resumed["passed_over"]), resumed
    result = verdict(run)
    assert result["outcome"] == "completed", result
    assert any("passed over" in reason and "rank 1" in reason for reason in result["reasons"]), result["reasons"]
    assert steps_of(run / "attempts/2")[1] == list(range(resumed["checkpoint"] + 1, 45))
    assert_nothing_left(run, before)


def interrupted(work, before):
    """Ctrl-C ends it all, and no further attempt begins."""
    run = work.path / "interrupted"
    process = start("run", scenario(work, "interrupted"), "--allow-destructive", "--set", "restarts=5", "--out", run, "-n", 2)
    try:
        deadline = time.monotonic() + 120
        while not (run / "attempts/2/steps.npy").exists():
            assert process.poll() is None and time.monotonic() < deadline, process.communicate()
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    finally:
        terminate(process)
    assert verdict(run)["outcome"] in ("interrupted", "completed"), verdict(run)  # its last steps may have been quicker
    assert not (run / "attempts/3").exists()
    assert_nothing_left(run, before)


def killed(work, before):
    """SIGKILL of grit itself: no checkpoint stays; one that does, as where no local cluster's keeper was there, is named by grit report."""
    run = work.path / "killed"
    checkpoints = run / "checkpoints"
    process = start("run", scenario(work, "killed", fault=""), "--out", run, "-n", 2)
    try:
        deadline = time.monotonic() + 60
        while not any(file.stat().st_size for file in checkpoints.glob("rank*")):
            assert process.poll() is None and time.monotonic() < deadline, process.communicate()
            time.sleep(0.002)
        process.kill()
        process.communicate(timeout=60)
    finally:
        terminate(process)
    assert process.returncode == -signal.SIGKILL, process.returncode
    while checkpoints.exists():
        assert time.monotonic() < deadline + 60, list(checkpoints.iterdir())
        time.sleep(0.01)
    assert_nothing_left(run, before)
    assert "checkpoints" not in grit("report", run, expect=(0, 1, 2)).err
    checkpoints.mkdir()
    (checkpoints / "rank0.0").write_bytes(bytes(3_200_000))
    done = grit("report", run, expect=(0, 1, 2))
    assert "3.2 MB of checkpoints" in done.err and f"rm -r {checkpoints}" in done.err, done.err
    assert checkpoints.exists()


def on_hosts(work, before):
    """The same where the ranks are those of a launcher, which grit stays beside; under a launcher of one's own it is refused."""
    run = work.path / "hosts"
    file = scenario(work, "hosts", fault="grit.fault.process_kill { on = 0, rank = '1', at_step = o.at }")
    environment = {"HOME": str(work.path), "OMPI_MCA_btl": "self,vader"}
    done = grit("run", file, "--hosts", "localhost", "--ranks-per-node", 3, "--allow-destructive", "--out", run, expect=0, timeout=180,
                cwd=work.path, env=environment)
    print(done.out, done.err, flush=True)
    result = verdict(run)
    assert result["verdict"] == "reproduced" and result["outcome"] == "completed", result
    assert result["restarts"]["steps"] == 45 and len(result["restarts"]["each"]) == 1, result["restarts"]
    assert steps_of(run / "attempts/2")[2] == list(range(result["restarts"]["each"][0]["first_step"], 45))
    assert_documented(run)
    assert_nothing_left(run, before)
    alone = subprocess.run(["mpirun", "-n", "2", "--oversubscribe", "--allow-run-as-root", GRIT, "run", file, "--allow-destructive", "--out",
                            work.path / "alone"], cwd=work.path, env={**os.environ, **environment}, capture_output=True, text=True, timeout=60)
    assert alone.returncode == 64 and "grit run --hosts" in alone.stderr, alone.stderr
    assert not (work.path / "alone").exists()


before = machine_state()
with Workspace() as work:
    for part in (comes_back, on_a_mesh, gives_up, damaged, interrupted, killed, on_hosts):
        if len(sys.argv) < 2 or part.__name__ in sys.argv[1:]:
            part(work, before)
