"""The mission's four faults on the local cluster: each scenario ends reproduced, with evidence at three levels.

usage: test_mission.py [NAME ...]"""

import sys
from gritlib import SOURCE, Workspace, assert_same_state, machine_state, run_until_clear, verdict

NAMES = sys.argv[1:] or ["link_flap", "gpu_throttle", "memory_pressure", "ethernet_flood"]

before = machine_state()
with Workspace() as work:
    for name in NAMES:
        run = work.path / name
        run_until_clear(SOURCE / "scenarios" / f"{name}.lua", "-n", 4, out=run, timeout=300)
        result = verdict(run)
        assert result["verdict"] == "reproduced", result
        for fault in result["faults"]:
            assert fault["applied"] and fault["acting"] and fault["reverted"] and fault["harmful"], fault
        assert_same_state(before)
