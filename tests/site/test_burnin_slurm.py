"""A burn-in inside of a Slurm allocation: one node's data NIC is slow, another one's slurmd is killed in the middle. The one is bad, the other not
tested, the rest good; what is written drains the one in Slurm, and starts a job on the rest.

usage: test_burnin_slurm.py [CHECK ...]"""

import json
import os
import shutil
import sys

from sitelib import GRIT_HERE, USER_ID, Layout, Site, allocate, assert_no_residue, release, site_state, wait_for, write
from gritlib import listing

SLOW, LOST = "n2", "n3"
GOOD = ["n0", "n1", "n4"]
OUT = "/srv/runs/burnin"

# The rate alone says something here: a queueing discipline holds it on a busy machine, too, where latency and loss are those of two cores. How much
# nodes of this site differ in it is stated, for five nodes do not show it.
CONFIG = """
local grit = require "grit"
return {
  name = "site",
  summary = "facts, a check and links",
  rounds = {
    { name = "facts", kinds = { "facts", "checks" } },
    { name = "links", kinds = { "link" }, visits = 3, length = "400ms", limit = "40s" },
  },
  checks = { grit.check.link_up {} },
  limits = { link_rate = { spread = "3%" }, link_latency = { tolerance = "10000%" }, link_loss = { tolerance = "10%" } },
  confirm_visits = 3, looks = 2,
}
"""


def shape(site):
    """What a node sends is held to a rate, the slow node's to a quarter of it."""
    for node in site.names:
        rate = "50mbit" if node == SLOW else "200mbit"
        site.run("tc", "qdisc", "add", "dev", "ens1", "root", "tbf", "rate", rate, "burst", "64kb", "latency", "50ms", node=node)


def unshape(site):
    for node in site.names:
        site.run("tc", "qdisc", "del", "dev", "ens1", "root", node=node)


def log(site, out):
    """The lines so far; the last one may not be whole yet."""
    file = site.path(out) / "burnin.jsonl"
    lines = file.read_text().splitlines(keepends=True) if file.exists() else []
    return [json.loads(line) for line in lines if line.endswith("\n")]


def measured_link(site, out, node):
    """The cell of the links in which this node is, by the log and by what runs on the node; empty: none."""
    lines = log(site, out)
    done = {line["result"]["cell"]["id"] for line in lines if line["type"] == "cell_done"}
    begun = [line["cell"] for line in lines if line["type"] == "cell_started"]
    cells = [cell["id"] for cell in begun if cell["round"] == "links" and node in cell["hosts"] and cell["id"] not in done]
    return cells[0] if cells and site.grit_processes(node) else ""


def burn_in(site, out, *flags, launch=(), env=None, expect=1):
    """A whole burn-in; slurmd of a node is killed while its first link is measured."""
    words = ["burnin", "--config", write(site, "burnin.lua", CONFIG), "--seed", "7", "--out", out, *flags]
    process = site.start(*launch, GRIT_HERE, *words, env=env)

    def alive():
        assert process.poll() is None, process.communicate()

    try:
        cell = wait_for(f"a link of {LOST} is measured", lambda: measured_link(site, out, LOST), 120, alive=alive)
        os.kill(site.daemon_pid(LOST), 9)
        print(f"slurmd of {LOST} is killed in {cell}", flush=True)
        process.out, process.err = process.communicate(timeout=200)
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()
    print(process.out + process.err, flush=True)
    assert process.returncode == expect, process.returncode
    return process


def read_report(site, out):
    report = json.loads((site.path(out) / "burnin.json").read_text())
    return report, {node["host"]: node for node in report["nodes"]}


def states(nodes):
    return {host: node["state"] for host, node in nodes.items()}


def check_report(site):
    report, nodes = read_report(site, OUT)
    assert states(nodes) == {**dict.fromkeys(GOOD, "good"), SLOW: "bad", LOST: "not_tested"}, nodes
    assert report["complete"], report
    shown = [finding["measure"] for finding in nodes[SLOW]["findings"] if finding["status"] == "shown"]
    assert "link_rate" in shown and nodes[SLOW]["reason"].startswith("bandwidth of the link, sent: "), nodes[SLOW]
    reason = nodes[LOST]["reason"]
    assert reason.startswith("did not answer any more in links/") and "srun: error:" in reason, reason
    assert [finding for finding in report["links"] if finding["status"] == "shown"] == [], report["links"]


def check_drained(site, reason):
    """In Slurm's own words: the slow node alone, for grit's reason."""
    assert site.states()[SLOW].startswith(("drain", "drng")), site.states()
    assert site.drain_reason(SLOW) == reason
    drained = site.run("sinfo", "--noheader", "--states=drain", "--Node", "-o", "%N").out.split()
    assert drained == [SLOW], drained
    assert reason in site.run("scontrol", "show", "node", SLOW).out


def check_good_nodes(site):
    """The documented command starts a job on the good nodes and no others; what stands there while no node is good starts none."""
    assert (site.path(OUT) / "good_hosts").read_text().split() == GOOD
    words = "srun --nodes=$(wc -l < good_hosts) --nodelist=$(cat good_nodelist) hostname"
    done = site.run("sh", "-c", f"cd {OUT} && {words}", env=site.allocation)
    assert sorted(done.out.split()) == GOOD, done.out
    none = site.run("srun", "--nodelist=no-good-node.invalid", "hostname", env=site.allocation, expect=None)
    assert none.returncode != 0 and none.out == "", none.out


def resume(site, directory, user=None):
    """The report of a burn-in that is over, and its nodes are drained anew; what it says."""
    return site.run(GRIT_HERE, "resume", directory, "--apply-drain", expect=1, user=user).err


def check_that_it_cannot_be_drained(site):
    """Neither a user who may not, nor a name that Slurm does not have, changes how a burn-in ends."""
    of_guest, elsewhere = site.path("/srv/runs/of-guest"), site.path("/srv/runs/elsewhere")
    for copy in (of_guest, elsewhere):
        shutil.copytree(site.path(OUT), copy)
    for path in (of_guest, *of_guest.rglob("*")):
        os.chown(path, USER_ID, USER_ID)
    said = resume(site, "/srv/runs/of-guest", user=USER_ID)
    print(said, flush=True)
    assert f"{SLOW} is not drained: " in said and "Invalid user id" in said, said
    lines = (elsewhere / "burnin.jsonl").read_text()
    (elsewhere / "burnin.jsonl").write_text(lines.replace(SLOW, SLOW + "x"))
    said = resume(site, "/srv/runs/elsewhere")
    print(said, flush=True)
    assert f"{SLOW}x is not drained: " in said and f"{SLOW}x not found" in said, said
    assert not any(state.startswith("dr") for state in site.states().values()), site.states()


def left(site):
    """Of each node what runs there beside Slurm's own, and grit's and Open MPI's temporary files."""
    found = {}
    for node in site.names:
        programs = {words[0] for words in site.processes(node).values() if words and "slurm" not in words[0]}
        found[node] = programs.union(*(listing(site.path(place, node), ("grit", "ompi", "openmpi", "pmix")) for place in ("/tmp", "/dev/shm")))
    return found


def check_lost_node(site):
    """In an allocation that outlives the loss of a node."""
    allocate(site)
    process = burn_in(site, OUT, "--apply-drain", env=site.allocation)
    assert f"grit: {SLOW} is drained\n" in process.err, process.err
    check_report(site)
    commands = (site.path(OUT) / "drain.sh").read_text().splitlines()[2:]
    reason = commands[0].split("Reason=")[1].rstrip("'")
    assert commands == [f"'scontrol' 'update' 'NodeName={SLOW}' 'State=DRAIN' 'Reason={reason}'"], commands
    assert reason.startswith("grit burnin: bandwidth of the link, sent: "), reason
    check_drained(site, reason)
    check_good_nodes(site)
    assert f"{SLOW} is drained already" in resume(site, OUT)

    site.run("scontrol", "update", f"NodeName={SLOW}", "State=RESUME")
    check_that_it_cannot_be_drained(site)
    site.run(OUT + "/drain.sh")
    check_drained(site, reason)
    site.run("scontrol", "update", f"NodeName={SLOW}", "State=RESUME")
    release(site)
    site.restart_daemon(LOST)


def check_lost_allocation(site):
    """Without --no-kill Slurm ends the allocation with the node. That says nothing of the others, and the burn-in goes on in the next one."""
    out = "/srv/runs/revoked"
    process = burn_in(site, out, launch=["salloc", "--nodes=5"], expect=69)
    assert "has expired" in process.err and f"grit resume {out}" in process.err, process.err
    assert log(site, out)[-1]["type"] == "forgotten", log(site, out)[-1]
    assert "salloc" in site.run(GRIT_HERE, "resume", out, expect=69).err
    site.restart_daemon(LOST)
    resumed = site.run("salloc", "--no-kill", "--nodes=5", GRIT_HERE, "resume", out, expect=1)
    print(resumed.out + resumed.err, flush=True)
    report, nodes = read_report(site, out)
    # The lost node may have been given up, after its second try, before Slurm ended the allocation.
    of_lost = nodes.pop(LOST)["state"]
    assert report["complete"] and of_lost in ("good", "not_tested") and states(nodes) == {**dict.fromkeys(GOOD, "good"), SLOW: "bad"}, nodes


CHECKS = [check_lost_node, check_lost_allocation]


def main(names):
    with Site("slurm", Layout(nodes=5)) as site:
        before, left_before = site_state(site), left(site)
        shape(site)
        for check in CHECKS:
            if names and check.__name__ not in names:
                continue
            print(f"── {check.__name__}", flush=True)
            check(site)
        unshape(site)
        site.wait_until_up()
        assert_no_residue(site, before)
        assert left(site) == left_before, left(site)


if __name__ == "__main__":
    main(set(sys.argv[1:]))
