"""Several ranks on each node of the local cluster: the plan has them, they run, and a rank that dies is called by its node. A fault on a NIC that
the ranks do not use is remarked on, and one on a rank by its coordinates acts on that rank alone."""

import json
from gritlib import SOURCE, Workspace, assert_same_state, events, grit, load_steps, machine_state, with_numpy, verdict

SHORT = """
local grit = require "grit"
return grit.scenario {
  name = "short_throttle",
  workload = grit.workload.ddp { model = "gpt2-small", scale = 0.005 },
  faults = { grit.fault.gpu_throttle { on = 1, clock = "50%" }, grit.fault.link_flap { on = 2, nic = "mgmt0", down = "50ms", after = "100ms" }, grit.fault.link_rate { on = 0, rate = "10Gbit/s" },
    grit.fault.rank_delay { rank = { dp = 5 }, delay = "5ms" } },
  design = { pairs = 6, block = "400ms", warmup = 1 },
  expect = { slowdown = { at_most = "1000%" } },
}
"""

before = machine_state()
with Workspace() as work:
    short = work.write("short.lua", SHORT)
    allow = "--allow-management"
    plan = json.loads(grit("plan", short, "-n", 3, "--ranks-per-node", 2, allow, "--json", expect=0).out)
    assert [node["ranks"] for node in plan["topology"]["nodes"]] == [[0, 1], [2, 3], [4, 5]], plan["topology"]
    delay = plan["faults"][3]
    assert (delay["node"], delay["params"]["rank"], delay["ranks"]) == (2, "1", {"dp": 5}), delay
    assert "--ranks-per-node" in grit("plan", short, "-n", 64, "--ranks-per-node", 4, allow, expect=64).err

    run = work.path / "run"
    done = grit("run", short, "-n", 3, "--ranks-per-node", 2, allow, "--out", run, expect=(0, 2))
    assert "warning: a fault on a NIC without traffic slows nothing: node2 mgmt0: the job is told to use eth0" in done.err, done.err
    result = verdict(run)
    assert result["outcome"] == "completed" and result["residue"] == [], result
    assert [(fault["node"], fault["acting"]) for fault in result["faults"][:2]] == [("node1", True), ("node2", True)], result["faults"]
    idle = [event for event in events(run) if event["type"] == "idle_nic"]
    assert [(event["node"], event["interface"]) for event in idle] == [(2, "mgmt0")], idle
    assert "mgmt0 of node2 carried" in str(result["reasons"]) and "eth0 of node0 carried" not in str(result["reasons"]), result["reasons"]
    assert load_steps(run)[2] == 6, "not all ranks have recorded steps"
    assert result["faults"][3]["acting"] is True, result["faults"][3]
    # In most steps of its fault blocks but the first, in which the fault comes, that rank waits at least so long, and its neighbour on the
    # node in some not at all.
    planned = json.loads((run / "plan.json").read_text())  # of another seed than the plan above
    blocks = [block["index"] for block in planned["blocks"] if block["kind"] == "fault"]
    code = ("import json, numpy, sys; a = numpy.load(sys.argv[1]); a = a[numpy.isin(a['block'], json.loads(sys.argv[2])) & (a['step_in_block'] > 0)]; "
            "print(int(numpy.median(a['forward_ns'][a['rank'] == 5])), int(a['forward_ns'][a['rank'] == 4].min()))")
    delayed_ns, beside_ns = map(int, with_numpy(code, run / "steps.npy", json.dumps(blocks)).split())
    assert delayed_ns >= 5_000_000 > beside_ns, (delayed_ns, beside_ns)
    assert_same_state(before)

    run = work.path / "killed"
    done = grit("run", SOURCE / "scenarios/process_kill.lua", "--allow-destructive", "--set", "node=2", "-n", 3, "--ranks-per-node", 2,
                "--out", run, expect=(0, 2))  # fmt: skip
    print(done.out, flush=True)
    assert verdict(run)["outcome"] == "rank_death" and "on node2 died" in done.out, done.out
assert_same_state(before)
