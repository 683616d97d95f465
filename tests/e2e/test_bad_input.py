"""Wrong inputs: the right exit code, a message that says what to do, nothing left behind, no run directory."""

import os
import subprocess
import shutil
from gritlib import GRIT, SHORT_FLAP, SOURCE, Workspace, assert_same_state, grit, machine_state, start, terminate, verdict

before = machine_state()


def refused(work, *arguments, code, says, **options):
    out = work.path / "refused"
    done = grit("run", *arguments, "--out", out, expect=code, timeout=60, **options)
    for words in says:
        assert words in done.err, f"{arguments}: {words!r} is not in:\n{done.err}"
    assert done.out == "", done.out
    assert not out.exists(), "a run directory was made"
    assert_same_state(before)
    print(f"{code}  {done.err.strip().splitlines()[0]}")


def refused_check(*arguments, code=64, says):
    done = grit("check", *arguments, expect=code, timeout=60)
    for words in says:
        assert words in done.err, f"{arguments}: {words!r} is not in:\n{done.err}"
    print(f"{code}  {done.err.strip().splitlines()[0]}")
    return done


with Workspace() as work:
    flap = work.write("flap.lua", SHORT_FLAP)
    refused(work, work.path / "missing.lua", code=64, says=["no scenario file", "missing.lua"])
    refused(work, work.write("syntax.lua", SHORT_FLAP.replace("{ pairs = 6", "{ pairs = = 6")), code=64, says=["syntax.lua:9"])
    refused(work, work.write("endless.lua", "while true do end"), code=64, says=["endless.lua:1"])
    refused(work, work.write("typo.lua", SHORT_FLAP.replace("down =", "dwon =")), code=64, says=["typo.lua:", 'dwon', "down"])
    refused(work, work.write("fault.lua", SHORT_FLAP.replace("fault.link_flap", "fault.link_flop")), code=64, says=["fault.lua:", "link_flap"])
    refused(work, work.write("unit.lua", SHORT_FLAP.replace('"400ms"', '"400 parsecs"')), code=64, says=["parsecs"])
    def over(mesh):
        return work.write("mesh.lua", SHORT_FLAP.replace("workload =", f"mesh = {mesh}, workload ="))

    refused(work, over("{ tp = 2 }"), code=64, says=["mesh.lua:", "mesh: tp = 2", "the workload ddp", "leave tp out"])
    refused(work, over("{ dq = 2 }"), code=64, says=['unknown axis "dq" of mesh', 'did you mean "dp"?'])
    refused(work, over("{ dp = 3 }"), "-n", 4, code=64, says=["mesh: dp = 3 makes 3 ranks, but there are 4", "leave dp out"])
    refused(work, work.write("beyond.lua", SHORT_FLAP.replace("on = o.node", "on = { dp = 4 }")), "-n", 4, code=64,
            says=["beyond.lua:", "dp = 4 is beyond the mesh", "0 to 3"])  # fmt: skip
    refused(work, flap, "--set", "nod=1", code=64, says=["nod", "node"])
    refused(work, flap, "--set", "node", code=64, says=["--set", "name=value"])
    refused(work, flap, "--set", "node=9", "-n", 4, code=64, says=["node 9", "0 to 3"])
    for nodes in 0, 1, 65:
        refused(work, flap, "-n", nodes, code=64, says=["2 to 64"])
    management = work.write("mgmt.lua", SHORT_FLAP.replace("on = o.node,", 'on = o.node, nic = "mgmt0",'))
    refused(work, management, "--set", "node=1", code=64, says=["mgmt0", "--allow-management"])
    refused(work, flap, "--no-such-flag", code=64, says=[])
    for port in 0, 65536, "ssh":
        refused(work, flap, "--port", port, code=64, says=["--port"])

    checks = work.write("checks.lua", 'local grit = require "grit"\nreturn { grit.check.stuck_tasks {} }\n')
    refused_check("disk_spac", says=["disk_spac", "did you mean disk_space?"])
    refused_check("link_up,disk_space", says=["separate names by spaces"])
    refused_check("command", says=["check command needs parameters", "--config", "grit describe command"])
    refused_check("--config", checks, "link_up", says=["no check called link_up in", "it has: stuck_tasks"])
    refused_check("--config", work.path, says=["is not a file", "checks.lua"])
    refused_check("--config", work.path / "missing.lua", says=["missing.lua", "No such file"])
    for option in "--state", "--openmetrics":
        missing = work.path / "missing" / "file"
        done = refused_check("stuck_tasks", "--line", option, missing, code=3, says=["cannot write", str(missing), "a directory that is there"])
        assert done.out.startswith("GRIT UNKNOWN - 1 of 1 checks are ok"), done.out

    # The guard rail's override works: planned, not refused.
    grit("plan", management, "--set", "node=1", expect=64)
    allowed = grit("plan", management, "--set", "node=1", "--allow-management", expect=0)
    assert "mgmt0" in allowed.out

    # A place that bears no directory.
    for place in "/proc/grit", "/proc/self/fdinfo/x/y", work.path / ("long" * 100):
        done = grit("run", flap, "--out", place, expect=69, timeout=60)
        assert "cannot make the run directory" in done.err and "--out" in done.err, done.err

    # A run directory that exists is not touched.
    existing = work.path / "existing"
    existing.mkdir()
    (existing / "precious").write_text("data")
    done = grit("run", flap, "--out", existing, expect=64)
    assert "exists" in done.err and (existing / "precious").read_text() == "data"

    # A place where nothing can be written: read-only, and full.
    if os.getuid() == 0:
        for options, words in (("ro", ["ead-only"]), ("size=16k", ["space"])):
            script = ('mount -t tmpfs -o "$1" none "$2" && exec "$3" run "$4" --out "$2/run"')
            place = work.path / "place"
            place.mkdir(exist_ok=True)
            done = subprocess.run(["unshare", "-m", "sh", "-c", script, "sh", options, place, GRIT, flap],
                                  capture_output=True, text=True, timeout=120)
            assert done.returncode in (69, 70), (done.returncode, done.stderr)
            assert all(word in done.stderr for word in words), done.stderr
            print(f"{done.returncode}  {done.stderr.strip().splitlines()[-1]}")
            assert_same_state(before)

    # A second run at the same time is refused while the first goes on unharmed.
    first = start("run", flap, "--out", work.path / "first")
    try:
        while not (work.path / "first" / "plan.json").exists():
            assert first.poll() is None, first.communicate()
        second = grit("run", flap, "--out", work.path / "second", expect=69, timeout=30)
        assert "another grit run" in second.err and str(first.pid) in second.err, second.err
        first.communicate(timeout=120)
        assert first.returncode in (0, 2) and verdict(work.path / "first")["outcome"] == "completed", first.returncode
    finally:
        terminate(first)

    # A machine that forbids user namespaces: what to do is said.
    if os.getuid() == 0 and shutil.which("unshare"):
        program = work.path / "grit"
        shutil.copy(GRIT, program)
        program.chmod(0o755)
        done = subprocess.run(["unshare", "--user", "--map-root-user", "sh", "-c",
                               'echo 0 > /proc/sys/user/max_user_namespaces; exec setpriv --reuid 0 --bounding-set=-all --inh-caps=-all "$0" run "$1" --out "$2"',
                               str(program), str(flap), str(work.path / "forbidden")],
                              capture_output=True, text=True, timeout=60)
        assert done.returncode == 69, (done.returncode, done.stderr)
        assert not (work.path / "forbidden").exists()
        assert "namespaces" in done.stderr and "max_user_namespaces" in done.stderr, done.stderr
        print(f"69  {done.stderr.strip().splitlines()[-1]}")

    # A fault that cannot work on a node is named before the first step, with what would help.
    if "not here: this kernel has no sch_netem" in grit("describe", "link_delay", expect=0).out:
        done = grit("run", SOURCE / "scenarios" / "link_delay.lua", "--out", work.path / "late", expect=69, timeout=60)
        assert "link_delay on node" in done.err and "modprobe sch_netem" in done.err, done.err
        assert "verdict" not in done.out, done.out
        print(f"69  {done.err.strip().splitlines()[-1]}")
    else:
        print("link_delay works here: that a fault is refused which does not was not tried")
assert_same_state(before)
