"""The mission's four faults on the local cluster: each scenario ends reproduced, with evidence at three levels.

With the fewest pairs that can show an effect, in blocks of a second where a flap need not fit in; with --full, as shipped.

usage: test_mission.py [--full] [NAME ...]"""

import re
import sys
from gritlib import SOURCE, Workspace, assert_same_state, machine_state, run_until_clear, verdict

FULL = "--full" in sys.argv[1:]
NAMES = [name for name in sys.argv[1:] if name != "--full"] or ["link_flap", "gpu_throttle", "memory_pressure", "ethernet_flood"]

def scenario(work, name):
    shipped = SOURCE / "scenarios" / f"{name}.lua"
    if FULL:
        return shipped
    text, changed = re.subn(r"pairs = 8, max_pairs = 16", "pairs = 6", shipped.read_text())
    assert changed == 1, name
    if name != "link_flap":
        text = re.sub(r'block = "[0-9.]+s"', 'block = "1s"', text)
    return work.write(f"{name}.lua", text)



before = machine_state()
with Workspace() as work:
    for name in NAMES:
        run = work.path / name
        run_until_clear(scenario(work, name), "-n", 4, out=run, timeout=300)
        result = verdict(run)
        assert result["verdict"] == "reproduced", result
        for fault in result["faults"]:
            assert fault["applied"] and fault["acting"] and fault["reverted"] and fault["harmful"], fault
        assert_same_state(before)
