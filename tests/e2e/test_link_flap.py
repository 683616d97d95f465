"""The straight line: a scenario to a verdict, evidence, records and report; then report and replay from the run directory."""

import json
from gritlib import SHORT_FLAP, Workspace, assert_same_state, events, grit, load_steps, machine_state, run_until_clear, verdict

before = machine_state()
with Workspace() as work:
    scenario = work.write("short_flap.lua", SHORT_FLAP)
    run = work.path / "run"
    done = run_until_clear(scenario, "--set", "node=1", "--seed", 7, "-n", 4, out=run)
    assert_same_state(before)

    # What the terminal says.
    lines = done.out.splitlines()
    assert lines[0].startswith("short_flap: reproduced"), lines
    assert "emulated" in done.out and str(run / "report.html") in done.out
    assert "node1" in done.out and "CI" in done.out

    # What was measured.
    result = verdict(run)
    assert result["verdict"] == "reproduced" and result["outcome"] == "completed"
    assert any("compute" in part for part in result["emulated"])
    effect = result["effect"]
    assert effect["pairs"] == 6 and 0.1 <= effect["ci_low"] <= effect["estimate"] <= effect["ci_high"], effect
    assert effect["p"] < 0.05
    (fault,) = result["faults"]
    assert fault["name"] == "link_flap" and fault["node"] == "node1" and fault["mechanism"] == "admin"
    assert fault["applied"] and fault["acting"] and fault["reverted"] and fault["harmful"]
    assert result["expectations"] and all(one["met"] for one in result["expectations"])

    # The kernel's own word: every flap was seen down and up again.
    told = [event for event in events(run, "witness") if event["node"] == 1]
    assert len(told) >= 12, len(told)
    flaps = [event for event in events(run, "fault") if event["action"] == "applied"]
    assert len(flaps) == 6 and all(event["ok"] and event["node"] == 1 for event in flaps)

    # The records.
    count, names, ranks = load_steps(run)
    assert ranks == 4 and count > 4 * 12 * 2, count
    assert {"rank", "step", "start_ns", "end_ns", "forward_ns", "exposed_comm_ns"} <= set(names)
    for name in ("run.json", "scenario.lua", "plan.json", "clock.json", "report.html", "env/node0.json", "env/node3.json"):
        assert (run / name).stat().st_size > 0, name
    assert not list((run / "journal").glob("*.jsonl")), "undo journals stay although everything was reverted"
    offsets = json.loads((run / "clock.json").read_text())["before"]
    assert len(offsets) == 4 and all(one["bound_ns"] >= 0 for one in offsets)

    # The same verdict again from the files, then the same plan again.
    first = (run / "verdict.json").read_bytes()
    (run / "verdict.json").unlink()
    again = grit("report", run, expect=0)
    assert (run / "verdict.json").read_bytes() == first and "reproduced" in again.out
    replayed = grit("replay", run, "--out", work.path / "replayed", "--json", expect=(0, 1, 2))
    assert json.loads(replayed.out)["faults"][0]["node"] == "node1"
    assert (work.path / "replayed" / "plan.json").read_bytes() == (run / "plan.json").read_bytes()
assert_same_state(before)
