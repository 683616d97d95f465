"""grit simulate: a short run, played for a larger job; what it leaves is a run directory like any other, and what cannot be played is refused."""

import json
import shutil
import signal
import time
from gritlib import Workspace, assert_same_state, events, grit, machine_state, start, terminate, verdict, with_numpy
from documented import assert_documented

DELAYED = """
local grit = require "grit"
return grit.scenario {
  name = "delayed", summary = "one rank is late, soon over",
  workload = grit.workload.ddp { model = "gpt2-small", scale = 0.002, compute = "emulated", peak = "0.05 TFLOP/s" },
  faults = { grit.fault.rank_delay { on = 1, delay = "40ms" } },
  design = { pairs = 8, max_pairs = 24, block = "500ms" },
  expect = { slowdown = { at_least = "5%" } },
}
"""
MEAN = """
import numpy, sys
steps = numpy.load(sys.argv[1] + "/steps.npy")
print(len(numpy.unique(steps["rank"])), (steps["end_ns"] - steps["start_ns"]).mean(), len(numpy.unique(steps["step"])))
"""

before = machine_state()
with Workspace() as work:
    # A run that a look ended is what is played. Beside other work a first look may not be enough: once more then, aloud.
    for attempt in range(1, 4):
        run = work.path / f"run{attempt}"
        done = grit("run", work.write("delayed.lua", DELAYED), "-n", 4, "--seed", 3, "--out", run, expect=(0, 1, 2))
        windows = verdict(run)["faults"][0]["applied_windows"]
        if windows < 24:
            break
        print(f"attempt {attempt}: {done.out}", flush=True)
    assert 8 <= windows < 24 and (run / "collectives.npy").exists(), windows

    larger = work.path / "larger"
    done = grit("simulate", run, "--dp", 16, "--out", larger, expect=(0, 1, 2))
    print(done.out)
    assert_documented(larger)
    for words in ("everything (played upward from a run of 4 ranks)", "predicted for 16 ranks: a step takes", "the fault costs"):
        assert words in done.out, (words, done.out)
    assert "everything else is real" not in done.out, done.out
    assert "16 ranks (dp 16) from 4 measured ones (dp 4), 4 times as many" in done.err, done.err
    page = (larger / "report.html").read_text()
    assert "Everything was emulated (played upward from a run of 4 ranks)." in page
    result, prediction = verdict(larger), json.loads((larger / "prediction.json").read_text())
    assert result["outcome"] == "completed" and result["emulated"] == ["everything (played upward from a run of 4 ranks)"], result
    assert result["faults"][0]["node"] == "node1" and result["faults"][0]["applied_windows"] == windows, result["faults"]
    assert result["faults"][0]["end"]["count"] == windows and -1e6 < result["faults"][0]["end"]["p50_ns"] < 1e8, result["faults"]
    assert prediction["dp"] == 16 and prediction["pairs"] == windows, prediction
    assert [event["decision"] for event in events(larger, "look")] == [event["decision"] for event in events(run, "look")]
    for figure in (prediction["step_ns"], prediction["cost"]):
        assert figure["low"] <= figure["value"] <= figure["high"], prediction
    assert prediction["replay_error"] < 0.05, prediction
    assert prediction["step_ns"]["value"] > 0.95 * prediction["measured_step_ns"], prediction  # more ranks are not faster
    assert abs(prediction["cost"]["value"] - prediction["measured_cost"]) < 0.5 * max(1, prediction["measured_cost"]), prediction
    assert abs(result["baseline_step_s"] * 1e9 / prediction["step_ns"]["value"] - 1) < 0.01, (result["baseline_step_s"], prediction)
    ranks, mean_ns, steps = map(float, with_numpy(MEAN, larger).split())
    measured_ranks, measured_ns, measured_steps = map(float, with_numpy(MEAN, run).split())
    assert (ranks, measured_ranks) == (16, 4) and steps == measured_steps, (ranks, steps, measured_steps)
    assert {event["node"] for event in events(larger, "fault")} == {1}

    # As many ranks as were measured: the measured steps again.
    same = work.path / "same"
    grit("simulate", run, "--dp", 4, "--out", same, expect=(0, 1, 2))
    assert abs(float(with_numpy(MEAN, same).split()[1]) / measured_ns - 1) < 0.02, (with_numpy(MEAN, same), measured_ns)
    # The same seed draws the same, another one does not.
    again, other = work.path / "again", work.path / "other"
    grit("simulate", run, "--dp", 16, "--out", again, expect=(0, 1, 2))
    grit("simulate", run, "--dp", 16, "--out", other, "--seed", 9, expect=(0, 1, 2))
    assert (again / "steps.npy").read_bytes() == (larger / "steps.npy").read_bytes() != (other / "steps.npy").read_bytes()
    assert json.loads((again / "prediction.json").read_text()) == prediction

    # It is judged, exported and compared as any other run.
    grit("report", larger, "--csv", "--trace", "--steps", "5..8", expect=(0, 1, 2))
    assert grit("compare", again, other, expect=(0, 1, 2)).out.startswith("compare:")

    # What cannot be played.
    for words, arguments in (("only more can be simulated", (run, "--dp", 2)), ("--dp 12", (run, "--dp", 10)),
                             ("only dp can grow", (run, "--dp", 16, "--tp", 2)), ("was simulated itself", (larger, "--dp", 64)),
                             ("no plan.json", (work.path / "nowhere", "--dp", 16)), ("--dp", (run,)), ("--dp", (run, "--dp", "many")),
                             ("at most 20000000 are written", (run, "--dp", 1_000_000)),
                             ("exists", (run, "--dp", 16, "--out", larger))):
        done = grit("simulate", *arguments, expect=64)
        assert words in done.err, (arguments, done.err)
    for name, words in (("collectives.npy", "no spans"), ("verdict.json", "no finished run")):
        broken = work.path / f"without-{name}"
        shutil.copytree(run, broken)
        (broken / name).unlink()
        done = grit("simulate", broken, "--dp", 16, "--out", work.path / "never", expect=64)
        assert words in done.err and not (work.path / "never").exists(), (name, done.err)

    # Killed while it writes, it leaves nothing that looks like a run, and the next one says what to do with it.
    killed, unfinished = work.path / "killed", work.path / "killed.unfinished"
    process = start("simulate", run, "--dp", 512, "--out", killed)
    try:
        deadline = time.monotonic() + 120
        while not (unfinished / "steps.npy").exists():
            assert process.poll() is None and time.monotonic() < deadline, process.communicate()
            time.sleep(0.002)
        process.kill()
        process.communicate(timeout=120)
    finally:
        terminate(process)
    assert process.returncode == -signal.SIGKILL and not killed.exists(), process.returncode
    done = grit("simulate", run, "--dp", 16, "--out", killed, expect=64)
    assert f"rm -r {unfinished}" in done.err and not killed.exists(), done.err
    shutil.rmtree(unfinished)
    grit("simulate", run, "--dp", 16, "--out", f"{killed}/", expect=(0, 1, 2))
    assert (killed / "steps.npy").read_bytes() == (larger / "steps.npy").read_bytes()
    assert json.loads((killed / "run.json").read_text())["directory"] == str(killed)
    assert str(unfinished) not in (killed / "report.html").read_text()
    assert not list(work.path.glob("*.unfinished"))
    assert_same_state(before)
