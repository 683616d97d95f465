"""Routers that prefer one expert: it is proven that they do, what it costs is measured, everything arrives as it was sent, and no node is blamed."""

from gritlib import SOURCE, Workspace, assert_same_state, grit, machine_state, verdict, with_numpy

# Of the all-to-alls of tokens: bytes that the two ranks received in a step of a baseline and of a fault block, on average; values that were wrong.
BYTES = """
import json, numpy, sys
run = sys.argv[1]
kinds = {block['index']: block['kind'] for block in json.load(open(run + '/plan.json'))['blocks']}
steps = numpy.load(run + '/steps.npy')
steps = steps[steps['step_in_block'] > 0]
spans = numpy.load(run + '/collectives.npy')
spans = spans[spans['operation'] == 3]
told = []
for kind in ('baseline', 'fault'):
    mine = steps[[kinds[block] == kind for block in steps['block']]]
    told.append(spans['bytes'][numpy.isin(spans['step'], mine['step'])].sum() / len(set(mine['step'].tolist())))
print(*told, int(steps['corrupted'].sum()))
"""

before = machine_state()
with Workspace() as work:
    run = work.path / "run"
    done = grit("run", SOURCE / "scenarios/imbalance.lua", "-n", 2, "--out", run, expect=0)
    print(done.out, flush=True)
    result = verdict(run)
    assert result["outcome"] == "completed" and result["verdict"] == "reproduced" and result["residue"] == [], result
    assert [(fault["name"], fault["acting"], fault["reverted"]) for fault in result["faults"]] == [("imbalance", True, True)] * 2, result["faults"]
    assert all(int(fault["acted"]["imbalanced_tokens"]) > 0 for fault in result["faults"]), result["faults"]
    baseline, fault, wrong = map(float, with_numpy(BYTES, run).split())
    assert wrong == 0 and fault != baseline, (baseline, fault, wrong)
    assert result["culprit"] is None or result["culprit"]["node"] < 0, result["culprit"]
assert_same_state(before)
