"""grit doctor: of this machine, and by the ranks of a job a row a node; 69 when a run would not start."""

import json
import os
import socket
import subprocess
from gritlib import GRIT, Workspace, grit

MPIRUN = ["mpirun", "-n", "3", "--oversubscribe", "--allow-run-as-root", "--mca", "btl", "tcp,self", "--mca",
          "btl_tcp_if_include", "lo"]
TOPICS = ["ranks", "recorder", "CPUs of a rank", "data NICs", "capabilities", "undo journal", "other run",
          "agent outlives the job", "memory", "memory lock", "clock", "irqbalance", "grit"]


def doctor(work, *arguments, **variables):
    return subprocess.run([*MPIRUN, GRIT, "doctor", *arguments], cwd=work.path, capture_output=True, text=True, timeout=120,
                          env=dict(os.environ, HOME=str(work.path), **variables))


with Workspace() as work:
    alone = grit("doctor", cwd=work.path, expect=(0, 69), env={"GRIT_JOURNAL_DIR": str(work.path / "journal")})
    print(alone.out, flush=True)
    assert all(topic in alone.out for topic in TOPICS[2:]), alone.out
    machine = json.loads(grit("doctor", "--json", expect=(0, 69), env={"GRIT_JOURNAL_DIR": str(work.path / "journal")}).out)
    assert machine["ok"] == (alone.returncode == 0) and len(machine["machine"]) > len(TOPICS), machine

    done = doctor(work, GRIT_JOURNAL_DIR=str(work.path / "journal"))
    print(done.stdout + done.stderr, flush=True)
    assert done.returncode == 0, done.stdout + done.stderr
    head, row = done.stdout.splitlines()[:2]
    assert all(topic in head for topic in TOPICS), head
    assert "3 by mpirun" in row and "tcp://127.0.0.1:" in row and "*" not in row and "!" not in row, row
    assert not (work.path / "journal").exists(), "doctor makes nothing"

    # The port that is asked for, or why not that one.
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = str(taken.getsockname()[1])
        refused = doctor(work, "--port", port, GRIT_JOURNAL_DIR=str(work.path / "journal"))
        assert refused.returncode == 69 and f"127.0.0.1 port {port}: Address already in use" in refused.stdout, refused.stdout
    free = doctor(work, "--port", port, GRIT_JOURNAL_DIR=str(work.path / "journal"))
    assert free.returncode == 0 and f"tcp://127.0.0.1:{port}" in free.stdout, free.stdout + free.stderr

    # What keeps a run from starting is said of its node, and is the exit code.
    in_the_way = work.write("file", "no directory")
    broken = doctor(work, "--json", GRIT_JOURNAL_DIR=str(in_the_way / "journal"))
    assert broken.returncode == 69, broken.stderr
    result = json.loads(broken.stdout)
    assert result["ok"] is False
    bad = [fact for node in result["nodes"] for fact in node["facts"] if fact["fatal"]]
    assert [fact["topic"] for fact in bad] == ["undo journal"] and "GRIT_JOURNAL_DIR" in bad[0]["problem"], bad
