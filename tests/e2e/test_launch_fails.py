"""Launches that do not come up: each ends within the stated time, with what the launcher itself said."""

import os
import subprocess
import time
from gritlib import GRIT, SOURCE, Workspace, assert_same_state, grit, machine_state

HEALTHY = SOURCE / "scenarios/healthy.lua"
SILENT_MPIRUN = "#!/bin/sh\necho 'waiting for daemons that never call back'\nexec sleep 600\n"
FAILING_MPIRUN = "#!/bin/sh\necho 'no permission to start a daemon' >&2\nexit 1\n"
# A root of its own that is not its mount namespace's, with everything of this machine in it.
IN_CHROOT = """
set -e
mount -t tmpfs tmpfs "$1"
for directory in /*; do
  [ -d "$directory" ] && [ ! -L "$directory" ] || { cp -a "$directory" "$1/" 2>/dev/null || true; continue; }
  mkdir -p "$1$directory"
  case "$1" in "$directory"/*) continue ;; esac
  mount --rbind "$directory" "$1$directory"
done
mkdir -p "$1/tmp" && cd / && shift && exec chroot "$@"
"""


def quick(limit_s, *arguments, **options):
    began = time.monotonic()
    done = grit(*arguments, **options)
    took = time.monotonic() - began
    print(f"grit {arguments[0]}: exit code {done.returncode} after {took:.1f} s\n{done.err}", flush=True)
    assert took < limit_s, took
    return done


before = machine_state()
with Workspace() as work:
    programs = work.path / "bin"
    programs.mkdir()
    for text, says, limit in ((SILENT_MPIRUN, ("node0, node1 within 3s", "waiting for daemons that never"), "3s"),
                              (FAILING_MPIRUN, ("before it ended", "no permission to start"), "60s")):
        (programs / "mpirun").write_text(text)
        (programs / "mpirun").chmod(0o755)
        done = quick(40, "run", HEALTHY, "-n", "2", "--out", work.path / "run", expect=69,
                     env={"PATH": f"{programs}:{os.environ['PATH']}", "GRIT_LAUNCH_TIMEOUT": limit})
        assert all(word in done.err for word in says), done.err
        assert not (work.path / "run").exists()
    done = quick(20, "run", HEALTHY, "-n", "2", "--out", work.path / "run", expect=64, env={"GRIT_LAUNCH_TIMEOUT": "soon"})
    assert "GRIT_LAUNCH_TIMEOUT" in done.err, done.err

    # A rank that never comes to MPI_Init: the others say that they wait, and end.
    began = time.monotonic()
    done = subprocess.run(["mpirun", "--oversubscribe", "--allow-run-as-root", "--mca", "btl", "tcp,self", "--mca",
                           "btl_tcp_if_include", "lo", "-n", "2", GRIT, "run", str(HEALTHY), ":", "-n", "1", "sleep", "300"],
                          cwd=work.path, capture_output=True, text=True, timeout=100,
                          env=dict(os.environ, HOME=str(work.path), GRIT_LAUNCH_TIMEOUT="5s"))
    print(done.stderr, flush=True)
    assert time.monotonic() - began < 40 and done.returncode == 69, done.returncode
    assert "waiting for all 3 ranks" in done.stderr and "did not come together within 5s" in done.stderr, done.stderr

    if os.geteuid() == 0:
        root = work.path / "root"
        root.mkdir()
        for arguments in (["run", str(HEALTHY), "-n", "2", "--out", "/run-in-chroot"], ["doctor"]):
            began = time.monotonic()
            done = subprocess.run(["unshare", "-m", "sh", "-c", IN_CHROOT, "sh", str(root), str(root), GRIT, *arguments],
                                  capture_output=True, text=True, timeout=100)
            print(done.stdout + done.stderr, flush=True)
            assert done.returncode == 69 and time.monotonic() - began < 30, done.returncode
            assert "this is a chroot" in done.stdout + done.stderr, done.stderr
assert_same_state(before)
