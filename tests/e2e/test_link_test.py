"""The link test on a real cluster: every link has figures in every block, and packets that are really lost show where they are."""

import json
from collections import Counter
from itertools import combinations
from gritlib import Workspace, assert_same_state, grit, machine_state, skip, verdict
from documented import assert_documented

NODES, LOSSY = 4, 2
# What node 2 should receive is lost in silence, so that its peers send it again. netem, where there is one, loses only what is sent.
# So much is lost that steps take several times as long in each of six short pairs, whatever else the machine does.
SCENARIO = """
local grit = require "grit"
return grit.scenario {
  name = "lossy_link",
  summary = "a node loses what it should receive",
  workload = grit.workload.ddp { model = "gpt2-small", scale = 0.02 },
  faults = { grit.fault.link_loss { on = 2, loss = "15%", direction = "in" } },
  design = { pairs = 6, block = "700ms", link_test = true },
  expect = { slowdown = { at_least = "1%" } },
}
"""

before = machine_state()
with Workspace() as work:
    run = work.path / "run"
    done = grit("run", work.write("lossy_link.lua", SCENARIO), "-n", NODES, "--seed", 7, "--out", run, expect=(0, 69))
    if done.returncode == 69:
        skip(done.err.strip().splitlines()[-1])
    assert_same_state(before)
    blocks = {block["index"]: block["kind"] for block in json.loads((run / "plan.json").read_text())["blocks"]}
    tests = [index for index, kind in blocks.items() if kind in ("link_baseline", "link_fault")]
    assert len(tests) == 4, blocks
    entries = [json.loads(line) for line in (run / "links.jsonl").read_text().splitlines()]
    file = {"links": [entry for entry in entries if "a" in entry], "tcp": [entry for entry in entries if "from" in entry]}

    pairs = set(combinations(range(NODES), 2))
    for block in tests:
        measured = [entry for entry in file["links"] if entry["block"] == block]
        assert {(entry["a"], entry["b"]) for entry in measured} == pairs, f"block {block}: not all links"
        assert all(entry["kind"] == blocks[block] for entry in measured)
        assert all(entry["latency_ns"]["min"] > 0 for entry in measured if entry["latency_ns"]), measured
        assert any(entry["bits_per_s"] for entry in measured), measured
        counted = [entry for entry in file["tcp"] if entry["block"] == block]
        assert {(entry["from"], entry["to"]) for entry in counted} == pairs | {(b, a) for a, b in pairs}, f"block {block}: not all directions"
        assert all(entry["segments_sent"] > 0 for entry in counted), counted

    assert_documented(run)

    # Sent again to the lossy node, under the fault. Others send again what a busy machine acknowledges late, a few at a time.
    again = Counter()
    for entry in file["tcp"]:
        if entry["kind"] == "link_fault":
            again[entry["to"]] += entry["retransmits"]
    print("sent again under the fault, by receiver:", dict(again))
    assert again[LOSSY] > 2 * max(again[node] for node in range(NODES) if node != LOSSY), again

    result = verdict(run)
    print(result["sentence"], result.get("culprit_text"), sep="\n")
    assert result["culprit"] is not None and result["suspects"][0]["node"] == LOSSY, result["suspects"]
assert_same_state(before)
