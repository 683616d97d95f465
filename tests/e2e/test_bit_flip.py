"""Silent data corruption: the bits of one rank's gradients flip, all ranks see wrong sums, the run goes on, and that rank alone is named. And on a mesh,
where the ranks of its group alone see them, with faults of one kind on different ranks of a node at the same time."""

import json
from gritlib import SOURCE, Workspace, assert_same_state, events, grit, machine_state, with_numpy, verdict

TOGETHER = """
local grit = require "grit"
return grit.scenario {
  name = "together",
  workload = grit.workload.tensor { model = "gpt2-small", scale = 0.005, dtype = "fp32" },
  mesh = { tp = 2 },
  faults = {
    grit.fault.rank_delay { on = 1, rank = "0", delay = "3ms" },
    grit.fault.rank_delay { on = 1, rank = "1", delay = "6ms" },
    grit.fault.bit_flip { rank = { dp = 1, tp = 1 }, bit = "exponent" },
  },
  design = { pairs = 6, block = "400ms", warmup = 1 },
  expect = { wrong_values = { from = 0 } },
}
"""

# blocks with wrong values, how many a step and rank has there, the steps of each rank, and all steps of a rank in these blocks
COUNTS = """
import json, numpy, sys
every = numpy.load(sys.argv[1])
a = every[every['corrupted'] > 0]
blocks = sorted(set(a['block'].tolist()))
print(json.dumps([blocks, sorted(set(a['corrupted'].tolist())), [sorted(a['step'][a['rank'] == r].tolist()) for r in range(4)],
                  every['step'][(every['rank'] == 2) & numpy.isin(every['block'], blocks)].tolist()]))
"""


def fault_blocks(run):
    return [block["index"] for block in json.loads((run / "plan.json").read_text())["blocks"] if block["kind"] == "fault"]


before = machine_state()
with Workspace() as work:
    run = work.path / "flips"
    done = grit("run", SOURCE / "scenarios/bit_flip.lua", "--set", "node=2", "-n", 4, "--out", run, expect=0)
    print(done.out, flush=True)
    result = verdict(run)
    assert result["outcome"] == "completed" and result["verdict"] == "reproduced", result
    assert [(fault["name"], fault["acting"], fault["reverted"]) for fault in result["faults"]] == [("bit_flip", True, True)], result["faults"]
    wrong = result["wrong_values"]
    assert wrong["ranks"] == [2] and wrong["possible"] == [] and wrong["chance"] <= 1e-3 and wrong["outside"] == 0, wrong
    assert "rank 2 (node2) sent them" in done.out, done.out
    assert result["expectations"] == [{"text": "wrong values from node2", "met": True}], result["expectations"]
    blocks, at_a_time, of_ranks, steps = json.loads(with_numpy(COUNTS, run / "steps.npy"))
    assert blocks == fault_blocks(run) and at_a_time == [1], (blocks, at_a_time)
    assert of_ranks == [of_ranks[0]] * 4 and 4 * len(of_ranks[0]) == wrong["values"], (of_ranks, wrong)
    assert all(step % 2 == 0 for step in of_ranks[0]), of_ranks[0]  # every_steps
    flips = int(result["faults"][0]["acted"]["flipped_bits"])
    flipped_at_most = sum(step % 2 == 0 for step in steps)
    assert len(of_ranks[0]) <= flips <= flipped_at_most, (of_ranks, flips, flipped_at_most)  # the type's rounding may hide some
    told = [event for event in events(run) if event["type"] == "wrong_value"]
    assert {event["rank"] for event in told} == {0, 1, 2, 3} and not [event for event in events(run) if event["type"] == "corruption"], told[:4]

    together = work.write("together.lua", TOGETHER)
    both = 'rank = "0-1"'
    clash = work.write("clash.lua", TOGETHER.replace('rank = "1"', both))
    refused = grit("plan", clash, "-n", 2, "--ranks-per-node", 2, expect=64).err
    assert "twice at the same time" in refused and "different ranks" in refused, refused
    beyond = work.write("beyond.lua", TOGETHER.replace('"exponent"', '"32"'))
    assert "it is a number from 0 to 31" in grit("plan", beyond, "-n", 2, "--ranks-per-node", 2, expect=64).err

    run = work.path / "together"
    done = grit("run", together, "-n", 2, "--ranks-per-node", 2, "--out", run, expect=1)
    result = verdict(run)
    assert result["outcome"] == "completed" and result["residue"] == [], result
    assert [fault["acting"] for fault in result["faults"]] == [True] * 3, result["faults"]
    assert result["wrong_values"]["ranks"] == [3], result["wrong_values"]
    assert result["expectations"] == [{"text": "wrong values from node0", "met": False}], result["expectations"]
    code = ("import json, numpy, sys; a = numpy.load(sys.argv[1]); a = a[numpy.isin(a['block'], json.loads(sys.argv[2])) & (a['step_in_block'] > 0)]; "
            "print(*[int(a['forward_ns'][a['rank'] == r].min()) for r in (0, 2, 3)])")
    none_ns, first_ns, second_ns = map(int, with_numpy(code, run / "steps.npy", json.dumps(fault_blocks(run))).split())
    assert first_ns >= 3_000_000 and second_ns >= 6_000_000 and none_ns < first_ns < second_ns, (none_ns, first_ns, second_ns)

    moe = work.write("moe.lua", TOGETHER.replace('grit.fault.bit_flip { rank = { dp = 1, tp = 1 }, bit = "exponent" }', "grit.fault.imbalance { }"))
    assert "imbalance needs a workload with experts (axis ep), and tensor has none" in grit("plan", moe, "-n", 2, "--ranks-per-node", 2, expect=64).err
assert_same_state(before)
