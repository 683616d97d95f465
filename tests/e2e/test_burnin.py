"""grit burnin on the local cluster: who is named and who is not, what is written, and that nothing is left behind."""

import json
import signal
import time

from burninlib import DOWN, LINKS, SOLO, VISITS, assert_log_is_right, done_cells, flapping, log, report, shaped, states
from gritlib import Workspace, assert_same_state, grit, machine_state, start, terminate
from documented import assert_documented

FILES = ("burnin.json", "burnin.html", "good_hosts", "slow_hosts", "good_nodelist", "drain.sh", "nodes.csv", "junit.xml", "metrics.prom")

before = machine_state()
with Workspace() as work:
    links, solo = work.write("links.lua", LINKS), work.write("solo.lua", SOLO)

    # What cannot be, with the reason, before anything is made.
    for words, reason in (
        (("--hosts", "n[1-", "--config", links), "n[1-"),
        (("--hosts", "n1", "--local-nodes", 4), "--hosts"),
        (("--local-nodes", 4, "--before", "true"), "--allow-command"),
        (("--hosts", "n1", "--before", "true", "--allow-command"), "--before"),
        (("--local-nodes", 4, "--apply-drain"), "--apply-drain"),
        (("--config", "quik"), "quick"),
    ):
        refused = grit("burnin", *words, "--out", work.path / "refused", expect=64)
        assert reason in refused.err, refused.err
        assert not (work.path / "refused").exists()
    assert "not the directory" in grit("resume", work.path / "nothing", expect=64).err

    # Healthy nodes: nobody is named, whatever else the machine does meanwhile.
    healthy = work.path / "healthy"
    ended = grit("burnin", "--local-nodes", 4, "--config", solo, "--seed", 3, "--out", healthy, "--json", expect=(0, 2), timeout=400)
    assert json.loads(ended.out) == report(healthy)
    assert set(states(healthy).values()) <= {"good", "apart", "suspect"}, report(healthy)["nodes"]
    assert (ended.returncode == 0) == (set(states(healthy).values()) == {"good"})
    assert_log_is_right(healthy)
    cells = done_cells(healthy)
    for node in range(4):
        assert f"facts/0/node{node}" in cells and f"solo/0/node{node}" in cells and f"solo/1/node{node}" in cells
    assert all(report(healthy)["nodes"][node]["figures"]["compute"] > 0 for node in range(4))
    assert log(healthy, "end")[-1]["why"] == ""
    for name in FILES:
        assert (healthy / name).exists(), name
    good = [host for host, state in states(healthy).items() if state == "good"]
    assert (healthy / "good_hosts").read_text().split() == good
    assert (healthy / "slow_hosts").read_text().split() == [host for host, state in states(healthy).items() if state == "apart"]
    assert_documented(healthy)
    assert_same_state(before)

    # It is over: to go on with it only says again how it ended, and another one is not put in its place.
    again = grit("resume", healthy, expect=(0, 2))
    assert again.returncode == ended.returncode and done_cells(healthy) == cells
    assert "grit resume" in grit("burnin", "--local-nodes", 4, "--config", solo, "--out", healthy, expect=64).err

    # A node whose link has half the rate of the others'.
    slow = work.path / "slow"
    ended = grit("burnin", "--local-nodes", 5, "--config", links, "--seed", 5, "--out", slow,
                 "--before", shaped(5, slow=2), "--allow-command", expect=1, timeout=600)
    named = [node for node in report(slow)["nodes"] if node["state"] == "bad"]
    assert [node["host"] for node in named] == ["node2"], report(slow)["nodes"]
    assert named[0]["findings"][0]["measure"] == "link_rate", named
    assert "node2" in ended.out and "node2" in (slow / "drain.sh").read_text()
    assert "node2" not in (slow / "good_hosts").read_text().split()
    assert_log_is_right(slow)
    assert_same_state(before)

    # A link that is down for a second between two of its node's cells, of which no figure tells; and all links, which the last round
    # but one takes down itself.
    down, flaps = work.write("down.lua", DOWN), work.path / "flaps"
    visits = work.write("visits.lua", VISITS.replace("DOWN", str(down)))
    grit("burnin", "--local-nodes", 4, "--config", visits, "--seed", 5, "--out", flaps,
         "--before", flapping(2, flaps, cells=6), "--allow-command", expect=1, timeout=600)
    named = [node for node in report(flaps)["nodes"] if node["state"] == "bad"]
    assert [node["host"] for node in named] == ["node2"], report(flaps)["nodes"]
    assert [one["measure"] for one in named[0]["findings"] if one["status"] == "shown"] == ["carrier_losses"], named
    assert named[0]["reason"].startswith("its link eth0 lost its carrier 1 time between "), named
    runs = [line["result"] for line in log(flaps, "cell_done") if not line["result"]["cell"]["kinds"]]
    assert runs and all(len(of_host) == 1 for run in runs for of_host in run["carriers"].values()), runs
    lost = {host: [one["nics"][0]["lost"] for line in log(flaps, "cell_done") for one in line["result"]["carriers"].get(host, [])
                   if one["nics"]] for host in states(flaps)}
    downed = {host for run in runs if run["end"] == "completed" for host in run["cell"]["hosts"]}  # on a busy machine perhaps none
    assert all(lost[host][-1] > lost[host][0] for host in downed | {"node2"}), lost
    assert_log_is_right(flaps)
    assert_documented(flaps)
    assert_same_state(before)

    # --before that fails ends it before the first cell.
    failed = grit("burnin", "--local-nodes", 2, "--config", solo, "--out", work.path / "before", "--before", "echo no; exit 3",
                  "--allow-command", expect=64)
    assert "no" in failed.err and "3" in failed.err
    assert done_cells(work.path / "before") == []
    assert_same_state(before)

    # Ctrl-C, and on.
    cut = work.path / "cut"
    process = start("burnin", "--local-nodes", 4, "--config", solo, "--seed", 3, "--out", cut)
    try:
        deadline = time.monotonic() + 120
        while not ((cut / "burnin.jsonl").exists() and len((cut / "burnin.jsonl").read_text().splitlines()) > 8):
            assert process.poll() is None and time.monotonic() < deadline, process.communicate()
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=90)
    finally:
        terminate(process)
    assert process.returncode == 130, (process.returncode, err)
    assert "grit resume" in err
    assert (cut / "burnin.json").exists() and not report(cut)["complete"]
    assert_same_state(before)
    so_far = done_cells(cut)
    grit("resume", cut, expect=(0, 2), timeout=400)
    assert done_cells(cut)[: len(so_far)] == so_far
    assert set(done_cells(cut)) >= {cell for cell in cells if "/confirm" not in cell}
    assert report(cut)["complete"]
    assert_log_is_right(cut)
assert_same_state(before)
