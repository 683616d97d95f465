"""The launchers of a burn-in's cells, over ssh and under Slurm: many small jobs on nodes of one's choice, and what is lost when a host is wrong, a
daemon is gone, or a node dies in the middle: one job, and a bounded time.

usage: test_burnin_launchers.py ssh|slurm"""

import json
import os
import re
import shutil
import sys
import time
from pathlib import Path

from sitelib import HEALTHY, Site, allocate, assert_no_residue, release, run_grit, site_state, wait_for, write
from gritlib import children_of

LAUNCHER = {"ssh": "mpirun", "slurm": "srun"}
HELPER = "/srv/bin/cluster_helper"
ENDING_S = 5 + 5  # from SIGTERM to SIGKILL, and for what a busy machine needs


class Jobs:
    """The helper's jobs, under way on the head."""

    def __init__(self, site, groups, *command, mpi=True, parallel=1, limit_s=60):
        words = [HELPER, "jobs", LAUNCHER[site.launcher], parallel, limit_s, "mpi" if mpi else "alone", "/".join(groups), *command]
        self.limit_s = limit_s
        self.started = time.monotonic()
        self.process = site.start(*words, env=site.allocation)

    def wait(self, timeout=300):
        """The jobs' ends, in the order of their ends."""
        self.out, err = self.process.communicate(timeout=timeout)
        self.took_s = time.monotonic() - self.started
        assert self.process.returncode == 0, self.out + err
        return [json.loads(line.removeprefix("job: ")) for line in self.out.splitlines() if line.startswith("job: ")]


def run_jobs(site, *arguments, **options):
    jobs = Jobs(site, *arguments, **options)
    return jobs.wait(), jobs


def run_mpi_jobs(site, groups, *command, tries=3, **options):
    """Open MPI now and then crashes in MPI_Init on a busy machine when it was started by srun (open-mpi/ompi issue 12495), or stands still there:
    all are made again after a crash, one of many that stood still by itself, aloud."""
    for attempt in range(1, tries + 1):
        ends, jobs = run_jobs(site, groups, *command, **options)
        if attempt == tries:
            return ends, jobs
        still = [end for end in ends if end["ended"]]
        if "Segmentation fault" in jobs.out:
            print(f"MPI_Init crashed in try {attempt} of {tries}: again", flush=True)
        elif site.launcher == "slurm" and len(still) == 1:
            print(f"one of {len(ends)} MPI jobs stood still until its limit, on {still[0]['hosts']}: again", flush=True)
            ends_again, again = run_mpi_jobs(site, [still[0]["hosts"]], *command, tries=tries - attempt, **options)
            jobs.out += again.out
            return [end for end in ends if not end["ended"]] + ends_again, jobs
        else:
            return ends, jobs


def assert_works(site, hosts="n0,n1"):
    ends, jobs = run_mpi_jobs(site, [hosts], HELPER, "allreduce")
    assert [(end["status"], end["not_started"]) for end in ends] == [(0, "")], jobs.out
    count = len(hosts.split(","))
    ranks = sorted(re.findall(rf"(\S+) rank \d of {count} sum", jobs.out))
    assert ranks == hosts.split(","), jobs.out


def check_many_jobs(site):
    pairs = ["n0,n1", "n2,n3", "n0,n2", "n1,n3", "n0,n3", "n1,n2"]
    groups = 2 * pairs
    ends, jobs = run_mpi_jobs(site, groups, HELPER, "allreduce", parallel=2)
    assert sorted(end["hosts"] for end in ends) == sorted(groups), jobs.out
    assert all(end["status"] == 0 for end in ends), jobs.out
    for name in site.names:
        assert len(re.findall(rf"{name} rank \d of 2 sum 3", jobs.out)) == sum(name in group for group in groups), jobs.out
    print(f"{LAUNCHER[site.launcher]}: {len(groups) / jobs.took_s:.2f} MPI jobs of two nodes a second, two at a time", flush=True)

    nodes = 3 * site.names
    ends, jobs = run_jobs(site, nodes, "/bin/sh", "-c", 'echo "on $(hostname): $GRIT_TEST_JOB, $0"', "a  'b' $c", mpi=False, parallel=2)
    assert all(end["status"] == 0 for end in ends), jobs.out
    for name in site.names:
        assert jobs.out.count(f"on {name}: c d, a  'b' $c\n") == nodes.count(name), jobs.out
    print(f"{LAUNCHER[site.launcher]}: {len(nodes) / jobs.took_s:.2f} jobs of one node a second, two at a time", flush=True)


def check_unknown_host(site):
    for hosts, mpi in (("n0,n9", True), ("n9", False)):
        ends, jobs = run_jobs(site, [hosts], "/bin/true", mpi=mpi)
        print(ends[0]["not_started"], flush=True)
        assert ends[0]["status"] != 0 and not ends[0]["ended"] and ends[0]["not_started"], jobs.out
    assert_works(site)


def check_missing_program(site):
    for hosts, mpi in (("n0,n1", True), ("n0", False)):
        ends, jobs = run_jobs(site, [hosts], "/srv/no/such/program", mpi=mpi)
        print(ends[0]["not_started"], flush=True)
        assert ends[0]["status"] != 0 and "/srv/no/such/program" in ends[0]["not_started"], jobs.out


def check_daemon_gone(site):
    """Without slurmd or sshd a node cannot be had; the job ends by itself, or at its limit."""
    os.kill(site.daemon_pid("n3"), 9)
    wait_for("its end", lambda: not has_daemon(site, "n3"), 10)
    ends, jobs = run_jobs(site, ["n2,n3"], HELPER, "allreduce", limit_s=40)
    print(f"after {jobs.took_s:.1f} s: {ends[0]}", flush=True)
    assert ends[0]["status"] != 0 and (ends[0]["not_started"] or ends[0]["ended"]), jobs.out
    assert jobs.took_s < jobs.limit_s + ENDING_S, jobs.took_s
    assert_works(site)
    site.restart_daemon("n3")
    if site.launcher == "ssh":  # Slurm may have taken it out of the allocation meanwhile
        assert_works(site, "n2,n3")


def has_daemon(site, node):
    try:
        return bool(site.daemon_pid(node))
    except ValueError:
        return False


def loops(site, *nodes):
    """Of these nodes, those on which the helper's endless rank runs."""
    return [node for node in nodes if any(words[:2] == [HELPER, "loop"] for words in site.processes(node).values())]


def check_limit(site):
    """A job that goes on for too long is ended, everywhere."""
    ends, jobs = run_jobs(site, ["n0,n1"], HELPER, "loop", limit_s=6)
    assert ends[0]["ended"] and ends[0]["status"] != 0 and jobs.took_s < jobs.limit_s + ENDING_S, jobs.out
    wait_for("the end of its ranks", lambda: not loops(site, "n0", "n1"), 10)
    assert_works(site)


def starter_of(process):
    """The helper that starts the jobs: what is above it enters the head's namespaces."""
    for pid in (process.pid, *children_of(process.pid)):
        if Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[:2] == [HELPER.encode(), b"jobs"]:
            return pid
    raise AssertionError("nobody starts jobs")


def check_starter_killed(site):
    """Who started a job is killed, and has nobody left to end it: it ends everywhere all the same."""
    jobs = Jobs(site, ["n0,n1"], HELPER, "loop", limit_s=120)
    wait_for("both ranks", lambda: len(loops(site, "n0", "n1")) == 2, 30, alive=lambda: assert_runs(jobs))
    starter = starter_of(jobs.process)
    started = time.monotonic()
    os.kill(starter, 9)
    wait_for("the end of its ranks", lambda: not loops(site, "n0", "n1"), 20)
    print(f"{LAUNCHER[site.launcher]}: its ranks had ended {time.monotonic() - started:.1f} s after its starter was killed", flush=True)
    jobs.process.communicate(timeout=20)
    assert_works(site)


def check_node_loss(site):
    """A node's power fails in the middle of its job."""
    jobs = Jobs(site, ["n1,n2"], HELPER, "loop", limit_s=20)
    wait_for("both ranks", lambda: len(loops(site, "n1", "n2")) == 2, 20, alive=lambda: assert_runs(jobs))
    site.kill_node("n2")
    ends = jobs.wait()
    print(f"after {jobs.took_s:.1f} s: {ends[0]}", flush=True)
    assert ends[0]["status"] != 0, jobs.out
    assert jobs.took_s < jobs.limit_s + ENDING_S, jobs.took_s
    wait_for("the end of the other rank", lambda: not loops(site, "n1"), 20)
    assert_works(site)
    ends, jobs = run_jobs(site, ["n2", "n1"], "/bin/true", mpi=False, parallel=2, limit_s=40)
    assert {end["hosts"]: end["status"] == 0 for end in ends} == {"n1": True, "n2": False}, jobs.out
    assert jobs.took_s < jobs.limit_s + ENDING_S, jobs.took_s
    site.revive_node("n2")


def assert_runs(jobs):
    assert jobs.process.poll() is None, jobs.process.communicate()


def check_grit_run_on_hosts(site):
    """`grit run --hosts` is the run that the launcher would have started."""
    environment = {"OMPI_ALLOW_RUN_AS_ROOT": "1"}
    done = run_grit(site, [], write(site, "healthy.lua", HEALTHY), "--hosts", "n[0-1]", "--json", run="/srv/runs/hosts",
                    env={**environment, **site.allocation})
    assert done.returncode in (0, 2), done.err
    result = json.loads(done.out)
    assert result["outcome"] == "completed", done.out
    plan = json.loads(site.path("/srv/runs/hosts/plan.json").read_text())
    assert [node["name"] for node in plan["topology"]["nodes"]] == ["n0", "n1"], plan["topology"]


CHECKS = [check_many_jobs, check_unknown_host, check_missing_program, check_limit, check_starter_killed, check_grit_run_on_hosts,
          check_daemon_gone, check_node_loss]


def main(launcher, names):
    with Site(launcher) as site:
        shutil.copy(os.environ["GRIT_CLUSTER_HELPER"], site.path(HELPER))
        before = site_state(site)
        if launcher == "slurm":
            allocate(site)
        for check in CHECKS:
            if names and check.__name__ not in names:
                continue
            print(f"── {check.__name__}", flush=True)
            check(site)
            if check is check_node_loss:
                before = site_state(site)  # other MAC addresses
        if launcher == "slurm":
            release(site)
        assert_no_residue(site, before)


if __name__ == "__main__":
    main(sys.argv[1], set(sys.argv[2:]))
