"""The mission's four faults on the local cluster: each scenario ends reproduced, with evidence at three levels.

With the fewest pairs that can show an effect; with --full, as shipped.

usage: test_mission.py [--full] [NAME ...]"""

import sys
from gritlib import SOURCE, Workspace, assert_same_state, machine_state, run_until_clear, verdict

FULL = "--full" in sys.argv[1:]
NAMES = [name for name in sys.argv[1:] if name != "--full"] or ["link_flap", "gpu_throttle", "memory_pressure", "ethernet_flood"]
SHIPPED_PAIRS = "pairs = 8, max_pairs = 16"


def scenario(work, name):
    shipped = SOURCE / "scenarios" / f"{name}.lua"
    if FULL:
        return shipped
    text = shipped.read_text()
    assert SHIPPED_PAIRS in text, name
    return work.write(f"{name}.lua", text.replace(SHIPPED_PAIRS, "pairs = 6"))


before = machine_state()
with Workspace() as work:
    for name in NAMES:
        run = work.path / name
        run_until_clear(scenario(work, name), "-n", 4, out=run, timeout=300)
        result = verdict(run)
        assert result["verdict"] == "reproduced", result
        for fault in result["faults"]:
            assert fault["applied"] and fault["acting"] and fault["reverted"], fault
        # Who only receives a flood does nothing that could be harmful; of several faults it cannot be told which was.
        alone = name != "memory_pressure"
        assert [fault["harmful"] for fault in result["faults"]].count(True) == (1 if alone else 0), result["faults"]
        assert_same_state(before)
