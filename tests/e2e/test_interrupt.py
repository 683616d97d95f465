"""Ctrl-C in every phase: nothing is left, and a run that had begun says that it was interrupted."""

import json
import signal
import time
from gritlib import SHORT_FLAP, Workspace, assert_same_state, machine_state, start, terminate

before = machine_state()
with Workspace() as work:
    scenario = work.write("short_flap.lua", SHORT_FLAP)
    for number, (phase, sent) in enumerate([("start", signal.SIGINT), ("directory", signal.SIGINT), ("steps", signal.SIGINT),
                                            ("fault", signal.SIGTERM)]):
        run = work.path / f"run{number}"
        waits = {"start": lambda: True, "directory": lambda: (run / "plan.json").exists(),
                 "steps": lambda: (run / "steps.npy").exists() and (run / "steps.npy").stat().st_size > 5000,
                 "fault": lambda: (run / "events.jsonl").exists() and '"applied"' in (run / "events.jsonl").read_text()}
        process = start("run", scenario, "--out", run, "-n", 3)
        try:
            deadline = time.monotonic() + 60
            while not waits[phase]():
                assert process.poll() is None and time.monotonic() < deadline, process.communicate()
                time.sleep(0.01)
            time.sleep(0.2 if phase != "start" else 0.02)
            process.send_signal(sent)
            out, err = process.communicate(timeout=60)
        finally:
            terminate(process)
        assert_same_state(before)
        print(f"{phase}: exit {process.returncode}  {(out or err).strip().splitlines()[:1]}", flush=True)
        if phase in ("steps", "fault"):
            assert process.returncode == 2, (process.returncode, out, err)
            result = json.loads((run / "verdict.json").read_text())
            assert result["outcome"] == "interrupted" and result["verdict"] == "inconclusive", result
            # A window that was cut off before its fault came has none to take off.
            assert len(result["faults"]) == 1, result["faults"]
            for fault in result["faults"]:
                assert fault["unreverted_windows"] == 0 and fault["reverted_windows"] == fault["applied_windows"], fault
assert_same_state(before)
