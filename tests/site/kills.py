"""Something of a run is killed while faults are in force: how soon is everything off, how soon is the run over, and what is it said to be?"""

import dataclasses
import json
import os
import signal
import time
from pathlib import Path

from sitelib import GRIT_HERE, LONG, SiteError, outside, wait_for, write

OFF_LIMIT_S = 2.0  # from the kill until no fault is in force on any node
OVER_LIMIT_S = 10.0  # from the kill until the launcher has ended
START_LIMIT_S = 90.0  # longer than grit waits for its ranks to come together, so that it says who is missing
FAULTED = ("n1", "n2")  # by LONG
# A node that is gone is missed by the others after 5 s of silence; Slurm misses it, or a slurmd, after SlurmdTimeout (10 s) and its next look
# (a third of that later at most), and srun ends the step in 3 s.
LOST_OFF_LIMIT_S = 7.0
LOST_OVER_LIMIT_S = 25.0


@dataclasses.dataclass
class Ending:
    what: str  # the killed thing, in words
    off_s: float  # from the kill until the nodes' own interfaces were as before
    over_s: float  # until the launcher had ended
    outcome: str  # verdict.json
    sentence: str
    right: bool  # the run's directory names the killed thing
    off_limit_s: float = OFF_LIMIT_S
    over_limit_s: float = OVER_LIMIT_S

    def __str__(self):
        return (f"{self.what}: faults off after {self.off_s:.2f} s, over after {self.over_s:.1f} s; {self.outcome}: {self.sentence}"
                f"{'' if self.right else '   WRONG'}")  # fmt: skip

    @property
    def good(self):
        return self.right and self.off_s <= self.off_limit_s and self.over_s <= self.over_limit_s


def in_force(site, nodes=FAULTED):
    """The nodes with a fault, by what their own interfaces say."""
    return [node for node in nodes if site.path("/sys/class/net/ens1/mtu", node=node).read_text() != "1500\n"]


class LongRun:
    """A run with faults in force on FAULTED, until something ends it. Use as a context manager."""

    def __init__(self, site, name, *, ranks=4):
        self.site = site
        self.name = name
        self.ranks = ranks
        self.run = ""
        self.process = None

    def __enter__(self):
        for attempt in range(1, 4):
            self.run = f"/srv/runs/{self.name}-{attempt}"
            self.process = self.site.start(*self.site.launch(self.ranks, options=self._alone()), GRIT_HERE, "run", write(self.site, "long.lua", LONG), "--out", self.run,
                                           "--seed", "1")  # fmt: skip
            try:
                wait_for("faults in force", lambda: in_force(self.site) == list(FAULTED), START_LIMIT_S, alive=self._alive)
                return self
            except (SiteError, AssertionError) as error:
                begun = self.site.path(self.run, node="n0").exists()
                seen = self._look()
                self.__exit__()
                # Open MPI's, on a busy machine, before grit has begun: open-mpi/ompi issue 12495.
                if begun or "Segmentation fault" not in str(error) + self.said:
                    raise SiteError(f"{error}\n{self.said[-3000:]}\n{seen}") from error
                print(f"MPI_Init crashed in try {attempt}: again", flush=True)
        raise SiteError("MPI_Init crashed three times")

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        out, err = self.process.communicate()
        self.said = out + err
        if self.site.launcher == "slurm":
            self.site.run("scancel", "--signal=KILL", "--user=root")
        for node in self.site.names:
            for pid in self.site.grit_processes(node):
                kill(pid)
            # One that is dying still holds the node's lock.
            wait_for(f"nothing of the run on {node}", lambda node=node: not self.site.grit_processes(node), 5)
            self.site.run(GRIT_HERE, "revert", node=node, expect=None)

    def _alone(self):
        """What makes the launcher leave the other ranks alone when one dies: grit has to end them."""
        return ["--kill-on-bad-exit=0"] if self.site.launcher == "slurm" else []

    def _alive(self):
        assert self.process.poll() is None, self.process.communicate()

    def _look(self):
        """What runs and waits for what, and what the run's own processes have written."""
        lines = []
        for node in self.site.names:
            for pid, argv in self.site.processes(node).items():
                lines.append(f"{node}: {state(pid)} {' '.join(argv)[:100]}")
        directory = outside(self.site, self.run)
        for file in sorted(directory.glob("*.log")) + sorted(directory.glob("events.jsonl")):
            lines += [f"── {file.name}", *file.read_text(errors="replace").splitlines()[-10:]]
        return "\n".join(lines)

    def wait_until_off(self, limit_s=30, nodes=FAULTED):
        wait_for("all faults off", lambda: not in_force(self.site, nodes), limit_s, poll_s=0.005)

    def wait_until_over(self, limit_s=90):
        return self.process.communicate(timeout=limit_s)

    def events(self):
        lines = (outside(self.site, self.run) / "events.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines]

    def verdict(self):
        """What the run's directory says in the end; made by who looks, when the run's own front end was killed."""
        self.site.run(GRIT_HERE, "report", self.run, node="n0", expect=(0, 1, 2, 70))
        return json.loads((outside(self.site, self.run) / "verdict.json").read_text())


def state(pid):
    """Of each thread of a process: its state, and where in the kernel it waits."""
    try:
        threads = [Path(f"/proc/{pid}/task/{thread}") for thread in os.listdir(f"/proc/{pid}/task")]
        return " ".join(f"{(one / 'stat').read_text().rsplit(')', 1)[1].split()[0]}:{(one / 'wchan').read_text()}" for one in threads)
    except OSError:
        return "gone"


def kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def watch(site, name, what, hurt, is_right, *, delay_s=0.0, surviving=FAULTED, ranks=4, limits_s=(OFF_LIMIT_S, OVER_LIMIT_S)):
    """hurt(run) is done once all faults are in force and delay_s have passed. is_right(verdict): whether it names what was hurt. surviving: those of
    FAULTED that are there afterwards."""
    with LongRun(site, name, ranks=ranks) as run:
        time.sleep(delay_s)
        hurt_at = time.monotonic()
        hurt(run)
        run.wait_until_off(nodes=surviving)
        off_s = time.monotonic() - hurt_at
        out, err = run.wait_until_over()
        over_s = time.monotonic() - hurt_at
        verdict = run.verdict()
        ending = Ending(what, off_s, over_s, verdict["outcome"], verdict["sentence"], is_right(verdict), *limits_s)
        print(ending, flush=True)
        if not ending.right:
            print(out[-1000:], err[-1000:], *run.events()[-12:], sep="\n", flush=True)
        return ending


def words(verdict):
    return verdict["sentence"].lower()


def kill_rank(site, name, rank, *, ranks=4, **options):
    """A rank dies; its node, its agent and the other ranks live on."""
    node = site.names[rank * len(site.names) // ranks]
    return watch(site, name, f"rank {rank} on {node}", lambda _: kill(site.ranks(node)[rank]),
                 lambda verdict: verdict["outcome"] == "rank_death" and f"rank {rank} on {node}" in words(verdict), ranks=ranks, **options)  # fmt: skip


def kill_node(site, name, node):
    """A node vanishes with all that is on it; it is there again, as after a restart, when this returns."""
    surviving = [other for other in FAULTED if other != node]
    try:
        return watch(site, name, f"node {node}", lambda _: site.kill_node(node),
                     lambda verdict: verdict["outcome"] == "node_loss" and node in words(verdict), surviving=surviving,
                     limits_s=(LOST_OFF_LIMIT_S, LOST_OVER_LIMIT_S))  # fmt: skip
    finally:
        site.revive_node(node)


def kill_mpirun(site, name, **options):
    """Its daemons on the nodes end the ranks. (Slurm goes on with a step whose srun was killed.)"""
    return watch(site, name, "mpirun", lambda run: run.process.kill(), lambda verdict: verdict["outcome"] != "completed", **options)


def kill_orted(site, name, node, **options):
    def hurt(_):
        for pid, argv in site.processes(node).items():
            if argv and os.path.basename(argv[0]) == "orted":
                kill(pid)

    return watch(site, name, f"orted of {node}", hurt, lambda verdict: verdict["outcome"] != "completed", **options)


def kill_slurmd(site, name, node):
    """slurmd of a node dies. Its rank, its agent and Slurm's own slurmstepd do not: the run goes on, with its faults, until slurmctld misses slurmd and ends
    the job on the other nodes. Their agents are then told to end, and end the node without slurmd as well; only srun knows which node that was."""
    limit_s = LOST_OVER_LIMIT_S
    with LongRun(site, name) as run:
        before = site.ranks(node), site.agents(node)
        hurt_at = time.monotonic()
        kill(site.daemon_pid(node))
        time.sleep(3)
        assert (site.ranks(node), site.agents(node)) == before and in_force(site) == list(FAULTED), "the run noticed that slurmd died"
        run.wait_until_off(limit_s)
        off_s = time.monotonic() - hurt_at
        _, err = run.wait_until_over()
        over_s = time.monotonic() - hurt_at
        wait_for(f"nothing of the run on {node}", lambda: not site.grit_processes(node), 5)
        verdict = run.verdict()
        own = [event for event in run.events() if event["node"] == site.names.index(node)]
        right = verdict["outcome"] == "interrupted" and f"Node failure on {node}" in err and any(event["type"] == "ended" for event in own)
        ending = Ending(f"slurmd of {node}", off_s, over_s, verdict["outcome"], verdict["sentence"], right, limit_s, limit_s)
        print(ending, *([] if right else [err, *own]), sep="\n", flush=True)
    site.restart_daemon(node)
    return ending


def cancel(site, name, **options):
    return watch(site, name, "scancel", lambda _: site.run("scancel", "--user=root"),
                 lambda verdict: verdict["outcome"] == "interrupted", **options)  # fmt: skip


def kill_agent(site, name, node, *, delay_s=0.0, ranks=4):
    """An agent dies with a fault in force: its successor takes it off, says so, and the run goes on until it is interrupted."""
    with LongRun(site, name, ranks=ranks) as run:
        time.sleep(delay_s)
        hurt_at = time.monotonic()
        for pid in site.agents(node):
            kill(pid)
        run.wait_until_off(nodes=[node])
        off_s = time.monotonic() - hurt_at
        index = site.names.index(node)
        wait_for("a new agent", lambda: any(e["type"] == "agent_restarted" and e["node"] == index for e in run.events()), 20)
        over_s = time.monotonic() - hurt_at
        right = run.process.poll() is None
        ending = Ending(f"agent of {node}", off_s, over_s, "agent_restarted", f"{node} has a new agent and the run goes on", right)
        print(ending, flush=True)
        return ending
