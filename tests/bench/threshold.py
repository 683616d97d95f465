#!/usr/bin/env python3
"""Must show: a data NIC of a local cluster is limited to a rate that the search does not know; it finds the knee within 10 %, in
fewer trials than a sweep as fine.

scenarios/reports/link_rate_knee.lua floods the limited NIC; the knee is where the flood fills it. What is right is known
twice: by the limit (a packet carries 1472 bytes of 1514 on the link, and the job's
own traffic takes its share), and by a linear sweep on the same cluster, whose
knee is the middle between the last dose without and the first with a slowdown of 30 %.

usage: GRIT=build/release/grit GRIT_SOURCE=. tests/bench/threshold.py [ROUNDS] [SEED] [SWEEP_TRIALS]"""

import random
import sys
import time
from pathlib import Path
sys.path.insert(0, str(Path(__file__).parent.parent / "e2e"))
from gritlib import SOURCE, Workspace, grit, verdict  # noqa: E402

ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 3
SEED = int(sys.argv[2]) if len(sys.argv) > 2 else 1
SWEEP = int(sys.argv[3]) if len(sys.argv) > 3 else 16
SCENARIO = SOURCE / "scenarios" / "reports" / "link_rate_knee.lua"
FROM, TO = 50, 1600  # Mbit/s
PAYLOAD = 1472 / 1514
GRADIENTS_BITS = 124.4e6 * 0.0002 * 16  # of the scenario's model in bf16: each of two ranks sends them once a step
SLOW = 0.3
chance = random.Random(SEED)


def mbits(value):
    return f"{value:.0f}Mbit/s"


def grit_when_free(*arguments, expect):
    """Another run on this machine would disturb the measurement, and grit refuses: wait for its end."""
    while True:
        done = grit(*arguments, expect=(*expect, 69), timeout=3600)
        if done.returncode != 69:
            return
        assert "another grit run" in done.err, done.err
        time.sleep(0.3)


def sweep(work, limit):
    """Slowdown at equal steps from FROM to TO, by drive()."""
    step = (TO - FROM) / (SWEEP - 1)
    doses = [FROM + i * step for i in range(SWEEP)]
    text = SCENARIO.read_text()
    head, _ = text.split("  search = function(o)", 1)
    calls = " ".join(f'trial {{ flood = "{mbits(dose)}" }}' for dose in doses)
    file = work.write("sweep.lua", head + f"""
  expect = {{ slowdown = {{ at_least = "30%" }} }},
  drive = function(trial) {calls} return {{ verdict = "inconclusive", text = "swept" }} end,
}}
""")
    run = work.path / f"sweep-{limit}"
    grit_when_free("run", file, "--set", f"limit={limit}Mbit/s", "-n", 2, "--out", run, expect=(2,))
    slowdowns = [trial["result"]["slowdown"]["estimate"] for trial in verdict(run)["trials"]]
    for dose, slowdown in zip(doses, slowdowns):
        print(f"    {dose:6.0f} Mbit/s  {100 * slowdown:+8.1f} %")
    for i in range(1, SWEEP):
        if slowdowns[i] >= SLOW and all(one >= SLOW for one in slowdowns[i:]):
            return (doses[i - 1] + doses[i]) / 2, step / 2
    return None, step / 2


print(f"seed {SEED}; doses {FROM} to {TO} Mbit/s; a linear sweep of {SWEEP} trials beside")
right = 0
with Workspace() as work:
    for round_number in range(ROUNDS):
        limit = round(FROM * (TO / 2 / FROM) ** chance.uniform(0.35, 1))
        began = time.monotonic()
        run = work.path / f"search-{round_number}"
        grit_when_free("run", SCENARIO, "--set", f"limit={limit}Mbit/s", "-n", 2, "--out", run, expect=(0, 1, 2))
        took = time.monotonic() - began
        result = verdict(run)
        for trial in result["trials"]:
            slowdown = trial["result"]["slowdown"]
            print(f"    {trial['dose'] / 1e6:6.0f} Mbit/s  {100 * slowdown['estimate']:+8.1f} % ({100 * slowdown['ci_low']:.1f} .. {100 * slowdown['ci_high']:.1f})")
        found = result["threshold"]
        own = GRADIENTS_BITS / result["baseline_step_s"] / 1e6  # what the job itself sends, Mbit/s
        truth = (limit - own) * PAYLOAD
        print(f"  {result['sentence']}")
        if found["dose"] is None:
            print(f"{round_number}: limit {limit} Mbit/s: nothing found")
            continue
        error = found["dose"] / 1e6 / truth - 1
        right += abs(error) <= 0.1
        print(f"{round_number}: limit {limit} Mbit/s, knee expected at {truth:.0f}, found {found['dose'] / 1e6:.0f} "
              f"({found['ci_low'] / 1e6:.0f} .. {found['ci_high'] / 1e6:.0f}), {100 * error:+.1f} %, {len(result['trials'])} trials, {took:.0f} s; "
              f"a sweep as fine takes {found['sweep_trials']}", flush=True)
        if round_number == 0 and SWEEP > 1:
            knee, half = sweep(work, limit)
            if knee:
                print(f"   linear sweep: {knee:.0f} ± {half:.0f} Mbit/s in {SWEEP} trials; the search is {100 * (found['dose'] / 1e6 / knee - 1):+.1f} % off it", flush=True)
print(f"{right} of {ROUNDS} within 10 %")
sys.exit(0 if right >= 0.9 * ROUNDS else 1)
