"""The spans of a run over four nodes: every byte that the workload says it moves is in collectives.npy, all ranks have the same operations, and
the times of each fit into its step. The report, its CSV and its trace have them."""

import json
from gritlib import Workspace, assert_same_state, events, grit, machine_state, verdict, with_numpy

TRAINING = """
local grit = require "grit"
return grit.scenario {
  name = "spans",
  workload = grit.workload.ddp { model = "gpt2-small", scale = 0.01 },
  faults = { grit.fault.gpu_throttle { on = 1, clock = "50%" } },
  design = { pairs = 6, block = "10 steps", warmup = 2 },
  expect = { slowdown = { at_most = "1000%" } },
}
"""

# Prints bytes a rank and step, and how many steps there are.
CHECKED = """
import numpy, sys
spans, steps = numpy.load(sys.argv[1]), numpy.load(sys.argv[2])
ranks = sorted(set(steps['rank'].tolist()))
assert ranks == [0, 1, 2, 3], ranks
assert (spans['group'] == 0).all() and (spans['operation'] == 0).all() and (spans['wrong'] == 0).all()
sums = {}
for rank in ranks:
    mine = spans[spans['rank'] == rank]
    # Numbered without a gap, in the order in which they were begun.
    assert (mine['sequence'] == numpy.arange(len(mine))).all()
    assert (numpy.diff(mine['entry_ns']) >= 0).all()
    sums[rank] = mine[['sequence', 'step', 'bytes', 'type']]
    assert (sums[rank] == sums[0]).all(), 'the ranks do not have the same operations'
    assert (mine['exit_ns'] >= mine['entry_ns']).all()
    waited = mine[mine['wait_ns'] > 0]
    assert len(waited) > 0 and (waited['wait_ns'] >= waited['entry_ns']).all() and (waited['exit_ns'] >= waited['wait_ns']).all()
    own = steps[steps['rank'] == rank]
    own = own[numpy.argsort(own['step'])]
    assert (own['step'] == numpy.arange(len(own))).all()
    of_step = own[mine['step']]
    assert (mine['entry_ns'] >= of_step['start_ns']).all() and (mine['exit_ns'] <= of_step['end_ns']).all()
    assert mine['step'].max() == own['step'].max()
# No rank leaves a sum before all have entered it: the nodes of a local cluster have one clock.
last_entry = numpy.max([spans[spans['rank'] == rank]['entry_ns'] for rank in ranks], axis=0)
assert all((spans[spans['rank'] == rank]['exit_ns'] >= last_entry).all() for rank in ranks)
bytes = numpy.bincount(sums[0]['step'], weights=sums[0]['bytes'])
assert (bytes == bytes[0]).all()
print(int(bytes[0]), len(bytes))
"""

before = machine_state()
with Workspace() as work:
    scenario = work.write("spans.lua", TRAINING)
    run = work.path / "run"
    grit("run", scenario, "-n", 4, "--out", run, expect=(0, 2))
    assert verdict(run)["outcome"] == "completed", verdict(run)
    [workload] = events(run, "workload")
    step_bytes, steps = map(int, with_numpy(CHECKED, run / "collectives.npy", run / "steps.npy").split())
    assert step_bytes == workload["description"]["gradient_bytes"], (step_bytes, workload)
    assert steps == 2 + 12 * 10, steps
    assert events(run, "spans_lost") == [] and events(run, "unrecorded") == []

    grit("report", run, "--csv", "--trace", expect=(0, 2))
    rows = (run / "csv/operations.csv").read_text().splitlines()
    assert rows[0].startswith("operation,axis,ranks,") and all(row.startswith("all_reduce,world,4,") for row in rows[1:]) and len(rows) > 2, rows
    names = [event["name"] for event in json.loads((run / "trace.json").read_text())["traceEvents"]]
    assert names.count("all_reduce") == workload["description"]["buckets"] * steps * 4, names.count("all_reduce")
    assert "Operations by kind, axis and size" in (run / "report.html").read_text()

    # A run of before there were spans is read as ever.
    (run / "collectives.npy").unlink()
    grit("report", run, "--csv", expect=(0, 2))
    assert len((run / "csv/operations.csv").read_text().splitlines()) == 1
assert_same_state(before)
