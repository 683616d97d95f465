"""What a run can be read as: junit.xml, CSV files and a trace agree with its step records."""

import csv
import json
import os
import sys
import xml.etree.ElementTree
try:
    import numpy
except ImportError:  # the distribution's Python has it (package python3-numpy)
    if sys.executable == "/usr/bin/python3":
        raise
    os.execv("/usr/bin/python3", ["/usr/bin/python3", *sys.argv])
from gritlib import SHORT_FLAP, Workspace, grit, verdict
from documented import assert_documented

with Workspace() as work:
    scenario = work.write("short_flap.lua", SHORT_FLAP)
    run = work.path / "run"
    grit("run", scenario, "--set", "node=1", "--seed", 7, "--out", run, "-n", 4, expect=(0, 1, 2))
    done = grit("report", run, "--csv", "--trace", expect=(0, 1, 2))
    assert_documented(run)
    steps = numpy.load(run / "steps.npy")
    result = verdict(run)
    plan = json.loads((run / "plan.json").read_text())

    suite = xml.etree.ElementTree.parse(run / "junit.xml").getroot()
    cases = suite.findall("testcase")
    assert suite.tag == "testsuite" and int(suite.get("tests")) == len(cases) == 2 + len(result["expectations"])
    bad = len(suite.findall("testcase/failure")) + len(suite.findall("testcase/error"))
    assert bad == int(suite.get("failures")) + int(suite.get("errors"))
    assert (bad == 0) == (done.returncode == 0), (bad, done.returncode)
    properties = {one.get("name"): one.get("value") for one in suite.findall("properties/property")}
    assert properties["seed"] == "7" and "compute" in properties["emulated"] and properties["commit"], properties

    def table(name):
        with open(run / "csv" / name, newline="") as file:
            return list(csv.DictReader(file))
    of_steps = {int(row["step"]): row for row in table("steps.csv")}
    assert set(of_steps) == set(numpy.unique(steps["step"]).tolist())
    for step in list(of_steps)[::17]:
        rows = steps[steps["step"] == step]
        times = rows["end_ns"] - rows["start_ns"]
        assert abs(float(of_steps[step]["mean_ns"]) - times.mean()) < 1
        assert int(of_steps[step]["max_ns"]) == times.max()
        assert int(of_steps[step]["block"]) == rows["block"][0]
    assert [int(row["block"]) for row in table("blocks.csv")] == numpy.unique(steps["block"]).tolist()
    assert len(table("pairs.csv")) == 6 and len(table("phases.csv")) == 2 * 4
    windows = table("windows.csv")
    assert len(windows) == 6 and all(row["node"] == "node1" and row["applied"] == "1" for row in windows)

    trace = json.loads((run / "trace.json").read_text())["traceEvents"]
    spans = [event for event in trace if event["ph"] == "X"]
    named = lambda name: [event for event in spans if event["name"] == name]
    assert len(named("step")) == len(steps)
    assert len(named("forward")) == (steps["forward_ns"] > 0).sum()
    assert len(named("collectives")) == (steps["collective_exit_ns"] > steps["collective_entry_ns"]).sum()
    assert len([event for event in spans if event["name"].startswith("link_flap")]) == 6
    assert abs(sum(event["dur"] for event in named("step")) - (steps["end_ns"] - steps["start_ns"]).sum() / 1e3) < len(steps) * 0.001
    assert len([event for event in spans if event["pid"] == 1]) == len(plan["blocks"])
    # What one thread does nests, or a viewer draws it wrongly.
    for thread in {(event["pid"], event["tid"]) for event in spans}:
        ends = []
        for event in sorted((one for one in spans if (one["pid"], one["tid"]) == thread), key=lambda one: (one["ts"], -one["dur"])):
            while ends and ends[-1] <= event["ts"] + 0.002:
                ends.pop()
            assert not ends or event["ts"] + event["dur"] <= ends[-1] + 0.002, (thread, event)
            ends.append(event["ts"] + event["dur"])

    grit("report", run, "--trace", work.path / "part.json", "--steps", "10..14", expect=(0, 1, 2))
    part = json.loads((work.path / "part.json").read_text())["traceEvents"]
    assert {event["args"]["step"] for event in part if event["name"] == "step"} == {10, 11, 12, 13, 14}
    assert "no range of steps" in grit("report", run, "--trace", "--steps", "5", expect=64).err
