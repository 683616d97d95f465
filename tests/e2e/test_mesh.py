"""Training over a mesh on the local cluster: `transformer` on dp 2, tp 2, pp 2, all of whose values arrive as they were sent, and a fault on one
stage; a mesh that does not fit the model, a pipeline with few micro-batches, and a model that does not fit into memory."""

import json
from gritlib import Workspace, assert_same_state, grit, load_steps, machine_state, verdict, with_numpy

TRAINING = """
local grit = require "grit"
return grit.scenario {
  name = "mesh",
  summary = "all axes at once",
  workload = grit.workload.transformer { model = "gpt2-small", scale = 0.005, micro_batches = 2 },
  mesh = { tp = 2, pp = 2 },
  faults = { grit.fault.rank_delay { rank = { dp = 1, tp = 0, pp = 1 }, delay = "30ms" } },
  design = { pairs = 6, block = "900ms", warmup = 1 },
  expect = { slowdown = { at_least = "5%" } },
}
"""

# of each rank: the shortest forward phase of a step of these blocks, but for their first
LEAST_FORWARD = """
import json, numpy, sys
a = numpy.load(sys.argv[1])
a = a[numpy.isin(a['block'], json.loads(sys.argv[2])) & (a['step_in_block'] > 0)]
print(json.dumps([int(a['forward_ns'][a['rank'] == r].min()) for r in range(8)]))
"""

before = machine_state()
with Workspace() as work:
    training = work.write("mesh.lua", TRAINING)
    plan = json.loads(grit("plan", training, "-n", 8, "--json", expect=0).out)
    stages = plan["by_formula"]["stages"]
    assert plan["mesh"] == {"dp": 2, "tp": 2, "pp": 2, "ep": 1}, plan["mesh"]
    assert {one["axis"] for one in stages[0]["traffic"]} == {"dp", "tp", "pp"} and len(stages) == 2, stages

    def refused(change, *words):
        wrong = work.write("wrong.lua", TRAINING.replace(*change))
        said = grit("plan", wrong, "-n", 8, expect=64).err
        assert all(word in said for word in words), said

    refused(("tp = 2, pp = 2", "tp = 8"), "12 attention heads", "tp = 8", "tp can be 1, 2, 3, 4, 6, 12")
    refused(("tp = 2, pp = 2", "pp = 8"), "12 transformer blocks", "8 pipeline stage(s)")
    refused(("tp = 2, pp = 2", "ep = 2"), "no experts", "ep = 2")
    few = work.write("few.lua", TRAINING.replace("tp = 2, pp = 2", "pp = 4").replace("dp = 1, tp = 0, pp = 1", "dp = 1, pp = 1"))
    said = grit("plan", few, "-n", 8, expect=0).out
    assert "2 micro-batch(es) for 4 pipeline stages" in said and "60 % of a step" in said, said
    large = work.write("large.lua", TRAINING.replace('"gpt2-small", scale = 0.005', '"llama3-70b", scale = 1'))
    said = grit("run", large, "-n", 8, "--out", work.path / "large", expect=64)
    assert "llama3-70b at scale 1 needs" in said.err and " bytes (" in said.err, said.err

    run = work.path / "run"
    # What becomes of 30 ms in the steps of 8 ranks depends on who else has the CPUs, and so does the verdict.
    done = grit("run", training, "-n", 8, "--out", run, expect=(0, 1, 2), timeout=600)
    result = verdict(run)
    assert result["outcome"] == "completed" and result["residue"] == [], result
    assert load_steps(run)[2] == 8, "not all ranks have recorded steps"
    code = "import numpy, sys; a = numpy.load(sys.argv[1]); print(int(a['corrupted'].sum()), int((a['exposed_comm_ns'] <= 0).sum()))"
    assert with_numpy(code, run / "steps.npy").split() == ["0", "0"], "values arrived wrong, or nobody waited"
    assert [(fault["name"], fault["acting"], fault["reverted"]) for fault in result["faults"]] == [("rank_delay", True, True)], result["faults"]
    # The one rank is 30 ms late in each step of the fault blocks but perhaps their first; of the others none is in each.
    fault_blocks = [block["index"] for block in json.loads((run / "plan.json").read_text())["blocks"] if block["kind"] == "fault"]
    least_ns = json.loads(with_numpy(LEAST_FORWARD, run / "steps.npy", json.dumps(fault_blocks)))
    assert [rank for rank in range(8) if least_ns[rank] >= 30_000_000] == [6], least_ns  # ranks go by tp, then dp, then pp
    print(done.out, flush=True)
assert_same_state(before)
