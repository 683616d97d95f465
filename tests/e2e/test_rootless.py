"""An ordinary user, without root: the same flap, carrier side, and files that belong to that user."""

import os
import shutil
from gritlib import GRIT, SHORT_FLAP, Workspace, assert_same_state, machine_state, run_until_clear, skip, verdict

NOBODY = 65534
if os.getuid() == 0 and shutil.which("setpriv") is None:
    skip("setpriv (util-linux) is not there to become an ordinary user")
user = NOBODY if os.getuid() == 0 else None

before = machine_state()
with Workspace() as work:
    scenario = work.write("short_flap.lua", SHORT_FLAP.replace("on = o.node,", 'on = o.node, side = "carrier",'))
    program = work.path / "grit"  # the build tree need not be readable for others
    shutil.copy(GRIT, program)
    program.chmod(0o755)
    run_until_clear(scenario, "--set", "node=0", "-n", 4, out=work.path / "run", user=user, program=program,
                    cwd=work.path, env={"HOME": str(work.path)})
    result = verdict(work.path / "run")
    assert result["verdict"] == "reproduced"
    assert result["faults"][0]["mechanism"] == "carrier" and result["faults"][0]["acting"]
    owner = os.stat(work.path / "run" / "verdict.json").st_uid
    assert owner == (NOBODY if user else os.getuid()), owner
assert_same_state(before)
