"""grit score of a scenario: every kind of damage is run, what cannot be done here is listed, what was cut off goes on, what is finished is
not run again, and what is wrong is said before anything runs."""

import csv
import json
import signal
import time
from gritlib import Workspace, assert_same_state, grit, machine_state, start
from documented import assert_documented, problems_of

# The NICs of a local cluster are virtual: there are no interrupts to be moved. That the directory is missing only the nodes can say.
SMALL = """
local grit = require "grit"
local damages = {
  delay = function(o) return grit.fault.rank_delay { on = 1, delay = o.delay, after = "100ms", lasts = "300ms" } end,
  disk = function() return grit.fault.disk_contention { on = 1, directory = "/no/such/directory" } end,
  irq = function() return grit.fault.irq_misplacement { on = 1 } end,
}
return grit.scenario {
  name = "small",
  options = { damage = { "delay", choices = { "delay", "disk", "irq" } }, delay = "30ms" },
  workload = grit.workload.ddp { model = "gpt2-small", scale = 0.002 },
  faults = function(o) return { damages[o.damage](o) } end,
  design = { pairs = 6, block = "600ms", sham = true, warmup = 2 },
  checks = { grit.check.link_up { every = "100ms" }, grit.check.stopped_ranks { every = "100ms" } },
  expect = { slowdown = { at_least = "5%" } },
}
"""


def refused(*words, says, expect=64):
    done = grit("score", *words, expect=expect, timeout=30)
    assert all(word in done.err for word in says), (says, done.err)
    print(f"{done.returncode}  {done.err.strip().splitlines()[-1][:150]}", flush=True)


def states(out):
    document = json.loads((out / "damages.json").read_text())
    assert not problems_of(document, "damages"), problems_of(document, "damages")
    return {one["name"]: one["state"] for one in document["damages"]}


def wait_for(process, condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)


before = machine_state()
with Workspace() as work:
    small, out = work.write("small.lua", SMALL), work.path / "out"

    # Wrong: nothing is run, and no directory is made.
    refused("no_such_thing", says=["neither a directory with finished runs nor a scenario", "grit score scorecard"])
    refused("link_flap", says=["no option `damage`"])
    refused(work.write("sham.lua", SMALL.replace("sham = true", "sham = false")), says=["no sham blocks"])
    refused(work.write("checks.lua", SMALL.replace("checks = {", "-- ")), says=["no health checks"])
    refused(work.write("name.lua", SMALL.replace('"irq" } }', '"irq", "../x" } }')), says=["no name of a directory"])
    refused(small, "--damage", "dely", "--out", out, says=["dely", "delay"])
    refused(small, "--time", "5s", "--out", out, says=["--time 5 s", "not time for one"])
    refused(small, "--time", "soon", "--out", out, says=["--time"])
    refused(small, small, says=["one scenario at a time"])
    refused(work.path, "--seed", 3, says=["--seed is for a scenario"])
    refused(small, "--damage", "irq", "--out", work.path / "irq", says=["none of it can be done here", "irq: "], expect=69)
    assert not out.exists()

    # Ctrl-C in the middle of a run: it says how to go on.
    process = start("score", small, "-n", 2, "--seed", 7, "--max", "false_alarms=9/h", "--alarm", "critical", "--out", out)
    wait_for(process, (out / "delay" / "events.jsonl").exists)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 2, (process.returncode, err)
    assert "2 kinds of damage x 6 injections" in err and "at least 54 %" in err, err
    assert "not run here: irq: " in err and "until about" in err, err
    assert f"Go on: grit score {small} -n 2 --seed 7 --max false_alarms=9/h --alarm critical --out {out}" in err, err
    assert states(out) == {"delay": "to_do", "disk": "to_do", "irq": "not_here"}, states(out)
    assert not (out / "score.json").exists()

    # It goes on; the half run is put aside.
    done = grit("score", small, "-n", 2, "--out", out, "--json", expect=0)
    score = json.loads(done.out)
    assert score == json.loads((out / "score.json").read_text())
    assert not problems_of(score, "score"), problems_of(score, "score")
    assert states(out) == {"delay": "finished", "disk": "not_here", "irq": "not_here"}, states(out)
    assert (out / "delay.cut-off-1").is_dir() and not (out / "disk").exists()
    assert_documented(out / "delay")
    assert score["started_utc"][:2] == "20" and score["started_utc"].endswith(" UTC"), score["started_utc"]
    assert [cell["fault"] for cell in score["cells"]] == ["rank_delay"], score["cells"]
    # A rank that gets no CPU has no step to be delayed in: such an injection is not proven, and is counted as that.
    cell = score["cells"][0]
    assert cell["magnitude"] == "delay 30ms, 300ms", cell
    assert cell["injections"] + cell["not_applied"] == 6 and cell["injections"] >= 3, cell
    assert score["design"]["injections"] == cell["injections"] and score["design"]["shams"] == 6, score["design"]
    assert score["design"]["seed"] == 7, score["design"]
    assert score["command"] == f"grit score {small} -n 2 --seed 7 --pairs 6", score["command"]
    assert [(one["damage"], one["what"]) for one in score["not_run"]] == [("disk", "not run here"), ("irq", "not run here")], score["not_run"]
    assert "/no/such/directory" in score["not_run"][0]["reason"], score["not_run"]
    rows = list(csv.DictReader((out / "score.csv").open()))
    assert [row["not_run"].split(":")[0] for row in rows if row["damage"] == "irq"] == ["not run here"], rows
    assert len(rows) == 4 and all(row["not_run"] == "" and row["damage"] == "delay" for row in rows[:2]), rows
    assert score["cells"][0]["damages"] == ["delay"], score["cells"]
    assert "Damage that was not done" in (out / "score.html").read_text()

    # Finished: it is not run again, and no other runs are mixed with it.
    verdict = (out / "delay" / "verdict.json").stat()
    done = grit("score", small, "-n", 2, "--out", out, "--damage", "delay", expect=0, timeout=30)
    assert "nothing is left to run" in done.err, done.err
    assert (out / "delay" / "verdict.json").stat() == verdict
    again = grit("score", out, "--json", expect=0)
    assert json.loads(again.out) == score
    refused(small, "-n", 2, "--seed", 8, "--out", out, says=["other seed (7, now 8)", "--out"])
    refused(small, "-n", 2, "--set", "delay=40ms", "--out", out, says=["other options", "delay=40ms"])
    other = work.write("small.lua", SMALL.replace('lasts = "300ms"', 'lasts = "310ms"'))
    refused(other, "-n", 2, "--out", out, says=["another plan", str(out / "delay")])
assert_same_state(before)
