"""Random kills of what belongs to a run, while faults are in force on two nodes: everything is off on all nodes within 2 s, the run is over within 10 s, it is
called by what was killed, and nothing is left.

usage: test_kills.py slurm|ssh KILLS SEED"""

import random
import sys

import kills
from sitelib import Site, assert_no_residue, site_state

LAUNCHER, KILLS, SEED = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
chance = random.Random(SEED)


def rank(site, name, delay_s):
    ranks = chance.choice((4, 8))
    return kills.kill_rank(site, name, chance.randrange(ranks), ranks=ranks, delay_s=delay_s)


def agent(site, name, delay_s):
    return kills.kill_agent(site, name, chance.choice(kills.FAULTED), delay_s=delay_s)


def scancel(site, name, delay_s):
    return kills.cancel(site, name, delay_s=delay_s)


def mpirun(site, name, delay_s):
    return kills.kill_mpirun(site, name, delay_s=delay_s)


def orted(site, name, delay_s):
    return kills.kill_orted(site, name, chance.choice(site.names), delay_s=delay_s)


KINDS = {"slurm": (rank, rank, agent, scancel), "ssh": (rank, rank, agent, mpirun, orted)}[LAUNCHER]


def quantile(values, share):
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def main():
    print(f"{KILLS} kills, seed {SEED}", flush=True)
    endings, left = [], []
    with Site(LAUNCHER) as site:
        before = site_state(site)
        for number in range(KILLS):
            endings.append(chance.choice(KINDS)(site, f"kill{number}", chance.uniform(0, 1.5)))
            try:
                assert_no_residue(site, before)
            except AssertionError as error:
                left.append(f"{endings[-1].what}: {error}")
            site.wait_until_up()
    off, over = [ending.off_s for ending in endings], [ending.over_s for ending in endings]
    for what, values in (("faults off", off), ("run over", over)):
        print(f"{what}: p50 {quantile(values, 0.5):.2f} s, p99 {quantile(values, 0.99):.2f} s, at most {max(values):.2f} s after the kill", flush=True)
    print(f"called by what was killed: {sum(ending.right for ending in endings)} of {len(endings)}; residue: {len(left)}", flush=True)
    assert not left, left
    assert all(ending.good for ending in endings), [str(ending) for ending in endings if not ending.good]


main()
