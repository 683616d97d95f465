"""Under mpirun, by hand, on one host: the same binary and scenario give a verdict; a fault without a data NIC is refused."""

import json
import os
import re
import subprocess
import time
from gritlib import GRIT, SOURCE, SHORT_FLAP, Workspace, assert_same_state, grit, machine_state, verdict

MPIRUN = ["mpirun", "-n", "4", "--oversubscribe", "--allow-run-as-root", "--mca", "btl", "self,vader"]


def mpirun(*arguments, cwd):
    environment = dict(os.environ, HOME=str(cwd))
    return subprocess.run([*MPIRUN, GRIT, *map(str, arguments)], cwd=cwd, capture_output=True, text=True, timeout=240,
                          env=environment)


STUCK = """
local grit = require "grit"
return grit.scenario {
  name = "stuck", summary = "a fault that does not come off",
  workload = grit.workload.ddp { model = "gpt2-small", scale = 0.01 },
  faults = { grit.fault.command { on = 0, apply = "touch MARK", evidence = "test -e MARK", counter = "date +%s%N",
                                  revert = "test -e MARK-key && rm -f MARK", timeout = "2s" } },
  design = { pairs = 6, block = "500ms", warmup = 0 },
  expect = { slowdown = { at_least = "1%" } },
}
"""


def does_not_come_off(work):
    """The person at the terminal reads what is still in force and what mends it, mpirun's code is grit's; and it does mend it."""
    run, mark = work.path / "stuck", work.path / "mark"
    scenario = work.write("stuck.lua", STUCK.replace("MARK", str(mark)))
    done = mpirun("run", scenario, "--allow-command", "--out", run, cwd=work.path)
    print(done.stderr[-1500:], flush=True)
    assert done.returncode == 70, (done.returncode, done.stderr)
    assert done.stderr.count("NOT REVERTED: command on ") == 1 and mark.exists(), done.stderr
    node = re.search("NOT REVERTED: command on ([^ ]+)", done.stderr).group(1)
    assert f"run `grit revert` on {node}" in done.stderr, done.stderr
    # Rank 0 is gone: the recorder's last act is the report, and its first words are these.
    deadline = time.monotonic() + 60
    while not (run / "report.html").exists():
        assert time.monotonic() < deadline, (run / "recorder.log").read_text()
        time.sleep(0.1)
    result = verdict(run)
    assert result["outcome"] == "failed" and result["sentence"].startswith("NOT REVERTED: command on "), result
    assert "run `grit revert` there" in result["sentence"], result
    last = (run / "recorder.log").read_text().strip().splitlines()[-1]
    assert last.startswith("NOT REVERTED: command on ") and "grit revert" in last, last
    environment = dict(os.environ, HOME=str(work.path))
    grit("revert", env=environment, expect=70)
    mark.with_name("mark-key").touch()
    grit("revert", env=environment, expect=0)
    assert not mark.exists()


before = machine_state()
with Workspace() as work:
    does_not_come_off(work)
    assert_same_state(before)
    shipped = (SOURCE / "scenarios/healthy.lua").read_text()
    # Four ranks on two cores are noisy: what "healthy" asks could often not be told. A hundred times as long is more than noise.
    short = shipped.replace('pairs = 8, max_pairs = 16, block = "1500ms"', 'pairs = 6, block = "500ms"').replace('"10%"', '"9900%"')
    assert "500ms" in short and "9900%" in short
    done = mpirun("run", work.write("healthy.lua", short), "--out", work.path / "run", "--json", cwd=work.path)
    result = json.loads(done.stdout)
    print(result["sentence"])
    assert done.returncode == 0 and result["verdict"] == "reproduced", done.stdout + done.stderr
    assert result["outcome"] == "completed" and result["faults"] == []
    assert json.loads((work.path / "run" / "verdict.json").read_text()) == result
    assert_same_state(before)

    # A replay is of the same nodes, or refused with what differs and what to do.
    plan = work.path / "run/plan.json"
    original = json.loads(plan.read_text())
    again = mpirun("replay", work.path / "run", "--out", work.path / "again", "--json", cwd=work.path)
    assert again.returncode == 0 and json.loads(again.stdout)["outcome"] == "completed", again.stdout + again.stderr
    original["topology"]["nodes"][0]["name"] = "n77"
    plan.write_text(json.dumps(original))
    other = mpirun("replay", work.path / "run", "--out", work.path / "other", cwd=work.path)
    assert other.returncode == 64 and "node 0 was n77 and is" in other.stderr, other.stderr
    assert "grit run" in other.stderr and "--seed" in other.stderr and not (work.path / "other").exists(), other.stderr

    scenario = work.write("short_flap.lua", SHORT_FLAP)
    refused = mpirun("run", scenario, "--out", work.path / "refused", cwd=work.path)
    assert refused.returncode == 64, refused.stderr
    assert "data" in refused.stderr and not (work.path / "refused").exists(), refused.stderr
    assert refused.stderr.count("short_flap") + refused.stderr.count("data NIC") <= 4, "said by every rank:\n" + refused.stderr
assert_same_state(before)
