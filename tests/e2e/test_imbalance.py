"""Routers that prefer one expert: it is proven that they do, what it costs is measured, everything arrives as it was sent, and no node is blamed."""

import json

from gritlib import SOURCE, Workspace, assert_same_state, machine_state, run_until_clear, verdict, with_numpy

# Each rank sends as many tokens to experts as it has; what its experts give back (every other all-to-all of tokens) is
# what they got. Of baseline and fault blocks: all tokens' bytes of a step, the largest and smallest mean over a step of
# what who gives more gives, in relation to an even share, and how much more of all that one rank gives; values that were wrong.
# Operation 3 is all-to-all; type 3, bytes, are the counts of tokens (harness/model/collective_record.hpp, data_type.hpp).
GIVEN_BACK = """
import json, numpy, sys
run = sys.argv[1]
kinds = {block['index']: block['kind'] for block in json.load(open(run + '/plan.json'))['blocks']}
steps = numpy.load(run + '/steps.npy')
spans = numpy.load(run + '/collectives.npy')
told = {'wrong': int(steps['corrupted'].sum() + spans['wrong'].sum())}
spans = spans[(spans['operation'] == 3) & (spans['type'] != 3)]
spans = spans[numpy.lexsort((spans['sequence'], spans['step'], spans['rank']))]
steps = steps[steps['step_in_block'] > 0]
for kind in ('baseline', 'fault'):
    numbers = sorted(set(steps[[kinds[block] == kind for block in steps['block']]]['step'].tolist()))
    of_kind = spans[numpy.isin(spans['step'], numbers)]
    given = of_kind['bytes'].reshape(2, len(numbers), -1)
    back = given[:, :, 1::2]
    most = (back.max(axis=0) / back.mean(axis=0)).mean(axis=1)
    of_rank = back.sum(axis=(1, 2)) / back.sum() * 2
    told[kind] = {'steps': len(numbers), 'bytes': sorted(set(given.sum(axis=(0, 2)).tolist())), 'most': [most.min(), most.max()], 'one rank': of_rank.max()}
print(json.dumps(told))
"""
# With two ranks, 8 experts and two of them for each token: one of all tokens' halves goes to an even share of an expert,
# 1/8; at share = 200% three times as much goes to the preferred one, and 1/7 of the rest to each of the others. Of a rank
# with the preferred one and three others: 2 · (3/8 + 3 · (5/8) / 7) of an even share.
MOST = 2 * (3 / 8 + 3 * (5 / 8) / 7)

before = machine_state()
with Workspace() as work:
    run = work.path / "run"
    run_until_clear(SOURCE / "scenarios/imbalance.lua", "-n", 2, out=run)
    result = verdict(run)
    print(result["sentence"], result["culprit_text"], result["culprit"], sep="\n")
    assert result["outcome"] == "completed" and result["verdict"] == "reproduced" and result["residue"] == [], result
    assert [(fault["name"], fault["acting"], fault["reverted"]) for fault in result["faults"]] == [("imbalance", True, True)] * 2, result["faults"]
    assert all(int(fault["acted"]["imbalanced_tokens"]) > 0 for fault in result["faults"]), result["faults"]

    given = json.loads(with_numpy(GIVEN_BACK, run))
    print(given, f"expected of who gives most: {MOST:.3f} of an even share", flush=True)
    assert given["wrong"] == 0
    assert len(given["baseline"]["bytes"]) == 1 and given["fault"]["bytes"] == given["baseline"]["bytes"], "tokens were lost, or came twice"
    for kind, most in (("baseline", 1), ("fault", MOST)):
        assert all(abs(one - most) < 0.01 for one in given[kind]["most"]), (kind, given[kind])

    assert result["effect"]["estimate"] >= 0.05 and result["effect"]["ci_low"] > 0, result["effect"]
    culprit = result["culprit"]
    assert (culprit["resource"], culprit["node"], culprit["nodes"]) == ("router", -1, []) and culprit["share_explained"] >= 0.5, culprit
    assert not any(suspect["nodes"] for suspect in result["suspects"]), result["suspects"]
assert_same_state(before)
