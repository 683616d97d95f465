"""A rank that dies and one that hangs: the run ends by itself, and the verdict names the outcome and the rank."""

import time
from gritlib import SOURCE, Workspace, assert_same_state, events, grit, machine_state, verdict
from documented import assert_documented

before = machine_state()
with Workspace() as work:
    for name, flags, words in (("process_kill", ["--allow-destructive"], "rank 2 on node2 died"),
                               ("hang", [], "rank 2 on node2 is stopped")):
        run = work.path / name
        began = time.monotonic()
        done = grit("run", SOURCE / "scenarios" / f"{name}.lua", *flags, "--set", "node=2", "-n", 4, "--out", run, expect=0, timeout=120)
        print(done.out, flush=True)
        assert time.monotonic() - began < 60, "it waited"
        result = verdict(run)
        assert_documented(run)
        assert result["verdict"] == "reproduced", result
        assert result["outcome"] == {"process_kill": "rank_death", "hang": "hang"}[name]
        assert words in done.out and "as expected" in done.out, done.out
        assert_same_state(before)
    assert {event["node"] for event in events(work.path / "hang", "hang")} == {0, 1, 2, 3}
