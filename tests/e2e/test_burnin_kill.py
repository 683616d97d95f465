"""SIGKILL of a burn-in's front end at random moments, and on: the same result, no cell run again after it was done, nothing left.

usage: test_burnin_kill.py [COUNT] [SEED]"""

import random
import sys
import time

from burninlib import LINKS, assert_log_is_right, done_cells, shaped, states
from gritlib import Workspace, assert_same_state, grit, machine_state, start, terminate

COUNT = int(sys.argv[1]) if len(sys.argv) > 1 else 3
SEED = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(1_000_000)
chance = random.Random(SEED)
print(f"seed {SEED}", flush=True)


def burnin(out, config):
    return ("burnin", "--local-nodes", 5, "--config", config, "--seed", 7, "--out", out, "--before", shaped(5, slow=1), "--allow-command")


def wait_for_cells(process, directory, count):
    """Until so many cells are done, or the burn-in has ended by itself."""
    deadline = time.monotonic() + 180
    while process.poll() is None and time.monotonic() < deadline:
        if (directory / "burnin.jsonl").exists() and len(done_cells_so_far(directory)) >= count:
            return
        time.sleep(0.02)
    assert process.poll() is not None, "no cell ended within 180 s"


def done_cells_so_far(directory):
    """The log's last line may be torn."""
    return [line for line in (directory / "burnin.jsonl").read_text().splitlines() if '"cell_done"' in line]


before = machine_state()
with Workspace() as work:
    config = work.write("links.lua", LINKS)
    undisturbed = work.path / "undisturbed"
    grit(*burnin(undisturbed, config), expect=1, timeout=600)
    assert_log_is_right(undisturbed)
    cells = len(done_cells(undisturbed))

    killed = work.path / "killed"
    words = burnin(killed, config)
    for number in range(COUNT):
        process = start(*words)
        try:
            done = len(done_cells_so_far(killed)) if (killed / "burnin.jsonl").exists() else 0
            wait_for_cells(process, killed, min(done + chance.randrange(1, max(2, cells // (COUNT + 1))), cells - 1))
            time.sleep(chance.uniform(0, 0.5))
            has_ended = process.poll() is not None
            process.kill()
            process.communicate(timeout=90)
        finally:
            terminate(process)
        assert_same_state(before)
        print(f"{number}: SIGKILL after {len(done_cells_so_far(killed))} cells{' (it had ended)' if has_ended else ''}", flush=True)
        words = ("resume", killed, "--allow-command")
    ended = grit(*words, expect=1, timeout=600)
    assert_log_is_right(killed)
    assert states(killed) == states(undisturbed), (states(killed), states(undisturbed))
    assert_same_state(before)
