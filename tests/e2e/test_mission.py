"""The mission's four faults on the local cluster: each scenario ends reproduced, with evidence at three levels.

usage: test_mission.py [NAME ...]"""

import sys
from gritlib import SOURCE, Workspace, assert_same_state, grit, machine_state, verdict

NAMES = sys.argv[1:] or ["link_flap", "gpu_throttle", "memory_pressure", "ethernet_flood"]

before = machine_state()
with Workspace() as work:
    for name in NAMES:
        run = work.path / name
        done = grit("run", SOURCE / "scenarios" / f"{name}.lua", "--out", run, "-n", 4, expect=0, timeout=300)
        result = verdict(run)
        print(done.out, flush=True)
        assert result["verdict"] == "reproduced", result
        for fault in result["faults"]:
            assert fault["applied"] and fault["acting"] and fault["reverted"] and fault["harmful"], fault
        assert_same_state(before)
