"""A real Slurm with a slurmd a node: runs end with the right verdict, and whatever is killed, nothing stays behind.

usage: test_slurm.py [CHECK or "measuring" or "ending" ...]     these only; by default all but the nightly ones"""

import json
import os
import shutil

import kills
from sitelib import (FLAP, GRIT_HERE, HEALTHY, LONG, THROTTLE, Meanwhile, Site, assert_no_residue, outside, run_grit, run_until_clear,
                     site_state, wait_for, write)  # fmt: skip


def check_healthy(site):
    done = run_grit(site, site.launch(4), write(site, "healthy.lua", HEALTHY), "--json", run="/srv/runs/healthy")
    assert done.returncode in (0, 2), done.err
    result = json.loads(done.out)
    print(result["sentence"], flush=True)
    # Four ranks on two cores are noisy: "cannot tell" is honest there, a slowdown would be a lie.
    assert result["outcome"] == "completed" and result["verdict"] in ("reproduced", "inconclusive"), done.out
    assert result == json.loads((outside(site, "/srv/runs/healthy") / "verdict.json").read_text())


def check_link_flap_names_its_node(site):
    run_until_clear(site, site.launch(4), write(site, "flap.lua", FLAP), "/srv/runs/flap")


def check_two_bound_ranks_a_node(site):
    """Each rank keeps the core that Slurm gave it, whatever grit starts beside; and the node with the slow accelerator is named."""
    cores = min(2, os.cpu_count() or 1)
    wanted = {rank: {rank % cores} for rank in range(8)}
    with Meanwhile(lambda: affinities(site), wanted):
        run_until_clear(site, site.launch(8, bound=True), write(site, "throttle.lua", THROTTLE), "/srv/runs/throttle")


def affinities(site):
    """rank -> the cores that it may run on, of the ranks of nodes where an agent is there, too."""
    found = {}
    for node in site.names:
        if site.agents(node):
            for rank, pid in site.ranks(node).items():
                try:
                    found[rank] = os.sched_getaffinity(pid)
                except ProcessLookupError:
                    pass
    return found


def check_agent_kill(site):
    assert kills.kill_agent(site, "agent", "n1").good


def check_rank_kill(site):
    """srun leaves the others alone; grit must not."""
    ending = kills.kill_rank(site, "rank", 3)
    assert ending.good, ending
    ending = kills.kill_rank(site, "rank-of-two", 2, ranks=8)  # on a node with a fault
    assert ending.good, ending


def check_scancel(site):
    ending = kills.cancel(site, "scancel")
    assert ending.good, ending


def check_node_loss(site):
    ending = kills.kill_node(site, "node", "n1")
    assert ending.good, ending
    return site_state(site)  # as after its restart: other MAC addresses


def check_slurmd_kill(site):
    ending = kills.kill_slurmd(site, "slurmd", "n1")
    assert ending.good, ending


def check_without_pmix(site):
    """Four tasks that do not meet: one error, no experiment."""
    alone = [word.replace("pmix", "none") for word in site.launch(4, options=["--kill-on-bad-exit=0"])]
    done = site.run(*alone, GRIT_HERE, "run", write(site, "healthy.lua", HEALTHY), "--out", "/srv/runs/alone", expect=(64, 69), timeout=30)
    assert "--mpi=pmix" in done.err and not site.path("/srv/runs/alone").exists(), done.err
    assert done.err.count("--mpi=pmix") == 1, "said by every task:\n" + done.err


# Holds a node as a run of somebody else does.
HOLD = "mkdir -p -m 700 /run/grit; exec 9>/run/grit/lock; flock 9; echo -n 4711 >&9; echo held; exec sleep 600"


def check_held_node(site):
    """One node's agent cannot start, and the others' have: why is said once, and nobody waits for it."""
    holder = site.start("sh", "-c", HOLD, node="n2")
    assert holder.stdout.readline() == "held\n"
    done = run_grit(site, site.launch(4), write(site, "long.lua", LONG), run="/srv/runs/held")
    free = [node for node in site.names if node != "n2"]
    wait_for("the lock of the other nodes", lambda: all(may_run(site, node) for node in free), 1)
    kills.kill(holder.pid)
    holder.communicate()
    assert done.returncode == 69, done.err
    assert done.err.count("another grit run is going on") == 1, done.err
    assert "grit: rank 2 on n2: another grit run is going on on this node (process 4711)" in done.err, done.err


def may_run(site, node):
    return site.run("sh", "-c", "[ ! -e /run/grit/lock ] || flock -n /run/grit/lock true", node=node, expect=(0, 1)).returncode == 0


def check_one_rank_fails(site):
    """Before the first step, with all agents there, in a call in which the others wait for it."""
    shutil.copy(os.environ["GRIT_PLANTED_FAILURE"], site.path("/srv/planted.so"))
    launch = [*site.launch(4), "env", "LD_PRELOAD=/srv/planted.so"]
    healthy = write(site, "healthy.lua", HEALTHY)
    done = run_grit(site, launch, healthy, run="/srv/runs/calls", env={"PLANT_RANK": "2", "PLANT_LIST": "/srv/calls"})
    assert done.returncode in (0, 2), done.err
    calls = site.path("/srv/calls").read_text().splitlines()
    at = next(line.split(" ")[1] for line in calls if "MPI_Allgather " in line)  # of the clocks, just before the first step
    done = run_grit(site, launch, healthy, run="/srv/runs/one", env={"PLANT_RANK": "2", "PLANT_AT": at})
    wait_for("the lock of all nodes", lambda: all(may_run(site, node) for node in site.names), 1)
    assert done.returncode == 70 and done.err.count("planted failure") == 1, done.err
    assert "grit: rank 2 on n2: internal error: planted failure" in done.err, done.err


def kill_whole_job(site, name, then):
    """A job with faults in force is killed at once on n1, agent and all, as an OOM killer or a control group does it."""
    with kills.LongRun(site, name) as run:
        site.end_node("n1")
        run.process.kill()
        then()


def check_epilog_mends_a_node(site):
    def is_mended():
        return kills.in_force(site, ["n1"]) == [] and site.states()["n1"] == "idle"

    hook = install_hook(site, GRIT_HERE)
    kill_whole_job(site, "mended", lambda: wait_for("n1 is mended and idle", is_mended, 30))
    assert site.run("cat", hook + ".log").out.count("Epilog n1"), "it was not the epilog that mended it"


def check_epilog_that_fails_drains_its_node(site):
    install_hook(site, "/bin/false")
    kill_whole_job(site, "drained", lambda: wait_for("n1 is drained", lambda: site.states()["n1"].startswith("drain"), 30))
    reason = site.drain_reason("n1")
    assert reason.startswith("grit revert: exit code 1"), reason
    wait_for("the job's end", lambda: site.run("squeue", "--noheader").out == "", 60)
    site.run("scontrol", "update", "NodeName=ALL", "State=RESUME")


CHECKS = """local grit = require "grit"
return { grit.check.link_settings { nic = "ens1", mtu = 1500 }, grit.check.link_up { nic = "ens1" } }
"""


def check_health_check_drains_and_resumes(site):
    """An MTU that is changed drains its node with the reason; its end lets it resume. What others drained is left alone."""
    checks = write(site, "checks.lua", CHECKS)
    program = write(site, "healthcheck", f"#!/bin/sh\nGRIT={GRIT_HERE} GRIT_CHECKS={checks} exec /srv/scripts/slurm/healthcheck\n")
    site.path(program).chmod(0o755)
    site.write_slurm_conf([f"HealthCheckProgram={program}", "HealthCheckInterval=1", "HealthCheckNodeState=ANY"])
    site.run("scontrol", "reconfigure")
    try:
        site.run("scontrol", "update", "NodeName=n3", "State=DRAIN", "Reason=a disk to be changed")
        site.run("ip", "link", "set", "ens1", "mtu", "1400", node="n2")
        wait_for("n2 is drained", lambda: site.states()["n2"].startswith("drain"), 30)
        reason = site.drain_reason("n2")
        assert reason.startswith("grit check: link_settings ens1: ") and "1400" in reason, reason
        assert [node for node, state in site.states().items() if state.startswith("drain")] == ["n2", "n3"], site.states()
        # No more than a tenth of the nodes, but one: another sick node stays, or one bad limit would drain a cluster.
        site.run("ip", "link", "set", "ens1", "mtu", "1400", node="n1")
        wait_for("three checks of n1", lambda: int(read_state(site, "n1", "critical") or 0) >= 3, 30)
        assert site.states()["n1"].startswith("idle"), site.states()
        for node in ("n1", "n2"):
            site.run("ip", "link", "set", "ens1", "mtu", "1500", node=node)
        wait_for("n2 is back", lambda: site.states()["n2"].startswith("idle"), 30)  # idle*: until slurmctld has asked it
        assert site.states()["n3"].startswith("drain") and site.drain_reason("n3") == "a disk to be changed", site.states()
    finally:
        site.write_slurm_conf([])
        site.run("scontrol", "reconfigure")
        site.run("scontrol", "update", "NodeName=n3", "State=RESUME")
    wait_for("the last health checks' end", lambda: not any(site.grit_processes(node) for node in site.names), 10)


# In the place of grit: a node that is ill, and a program that has something to say beside.
ILL = """#!/bin/sh
echo "planted: a warning" >&2
echo "GRIT CRITICAL - planted: is ill; 1 of 2 checks are ok"
exit 2
"""
# Before Slurm's own: two nodes drain themselves only when both have looked how many are drained already.
GATED_SCONTROL = """#!/bin/sh
case "$*" in *State=DRAIN*)
  touch /srv/gate/$(hostname)
  for i in $(seq 80); do [ -e /srv/gate/n1 ] && [ -e /srv/gate/n2 ] && break; sleep 0.1; done ;;
esac
exec /usr/bin/scontrol "$@"
"""
# Says how the node itself is, and nothing of the others while /srv/gate/mute is there.
GATED_SINFO = """#!/bin/sh
case "$*" in *" -n "*) ;; *) [ -e /srv/gate/mute ] && exit 1 ;; esac
exec /usr/bin/sinfo "$@"
"""


def check_health_check_keeps_to_its_limit(site):
    """Of two nodes that fall ill in the same moment one stays drained. Nobody is drained while Slurm does not say how many are, or by limits that
    are not the site's."""
    gate = site.path("/srv/gate")
    gate.mkdir()
    for name, text in {"ill": ILL, "scontrol": GATED_SCONTROL, "sinfo": GATED_SINFO}.items():
        (gate / name).write_text(text)
        (gate / name).chmod(0o755)
    sick = ["n1", "n2"]

    def call_on_both(**settings):
        words = [f"{name}={value}" for name, value in {"GRIT": "/srv/gate/ill", "GRIT_HEALTH_STATE": "/run/health", **settings}.items()]
        calls = [site.start("env", f"SLURMD_NODENAME={node}", *words, "/srv/scripts/slurm/healthcheck", node=node) for node in sick]
        for call in calls:
            out, err = call.communicate(timeout=60)
            assert call.returncode == 0, out + err
        return [node for node, state in site.states().items() if state.startswith("drain")]

    for node in sick:
        site.run("mount", "--bind", "/srv/gate", "/usr/local/sbin", node=node)
    try:
        assert call_on_both(GRIT_CHECKS="/srv/gone.lua") == []
        (gate / "mute").touch()
        assert call_on_both() == []
        (gate / "mute").unlink()
        assert [(gate / node).exists() for node in sick] == [False, False], "one of them has tried to drain itself"
        drained = call_on_both()
        assert [(gate / node).exists() for node in sick] == [True, True], "they did not drain themselves in the same moment"
        assert len(drained) == 1, site.states()
        assert site.drain_reason(drained[0]) == "grit check: planted: is ill"
        assert call_on_both() == drained
    finally:
        for node in sick:
            site.run("umount", "/usr/local/sbin", node=node)
        shutil.rmtree(gate)
        for node, state in site.states().items():
            if state.startswith("drain"):
                site.run("scontrol", "update", f"NodeName={node}", "State=RESUME")


def read_state(site, node, name):
    """What the health check keeps on a node between its calls."""
    try:
        return site.path(f"/var/lib/grit/health/{name}", node).read_text().strip()
    except FileNotFoundError:
        return ""


def install_hook(site, program):
    """scripts/slurm/revert as the site's epilog."""
    hook = write(site, "epilog", f'#!/bin/sh\necho "Epilog $SLURMD_NODENAME" >> /srv/epilog.log\nGRIT={program} exec /srv/scripts/slurm/revert\n')
    site.path(hook).chmod(0o755)
    site.write_slurm_conf([f"Epilog={hook}"])
    site.run("scontrol", "reconfigure")
    return hook


# What measures does so while nothing else runs on the machine.
GROUPS = {
    "measuring": [check_healthy, check_link_flap_names_its_node, check_two_bound_ranks_a_node],
    "ending": [check_agent_kill, check_rank_kill, check_scancel, check_without_pmix, check_held_node, check_one_rank_fails, check_node_loss,
               check_epilog_mends_a_node, check_epilog_that_fails_drains_its_node, check_health_check_drains_and_resumes,
               check_health_check_keeps_to_its_limit],
    "nightly": [check_slurmd_kill],
}  # fmt: skip


def main(wanted):
    chosen = [check for group, checks in GROUPS.items() for check in checks if {group, check.__name__} & wanted]
    assert chosen, f"no such check: {wanted}"
    with Site("slurm") as site:
        before = site_state(site)
        for check in chosen:
            print(f"── {check.__name__}", flush=True)
            before = check(site) or before
            site.wait_until_up()
            assert_no_residue(site, before)


if __name__ == "__main__":
    import sys

    main(set(sys.argv[1:]) or {"measuring", "ending"})
