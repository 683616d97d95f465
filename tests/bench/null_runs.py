#!/usr/bin/env python3
"""healthy.lua many times: how often does grit see a slowdown where there is none?

usage: GRIT=build/release/grit GRIT_SOURCE=. tests/bench/null_runs.py [RUNS]"""

import sys
from pathlib import Path
sys.path.insert(0, str(Path(__file__).parent.parent / "e2e"))
from gritlib import SOURCE, Workspace, grit, verdict  # noqa: E402

runs = int(sys.argv[1]) if len(sys.argv) > 1 else 20
kinds, slowdowns = {}, 0
with Workspace() as work:
    for number in range(runs):
        run = work.path / f"run{number}"
        grit("run", SOURCE / "scenarios/healthy.lua", "--out", run, "--seed", number + 1, expect=(0, 1, 2))
        result = verdict(run)
        effect = result["effect"]
        false_slowdown = effect["ci_low"] > 0
        slowdowns += false_slowdown
        kinds[result["verdict"]] = kinds.get(result["verdict"], 0) + 1
        print(f"{number:3}  {result['verdict']:14}  {effect['estimate']:+.2%} (CI {effect['ci_low']:+.2%} .. {effect['ci_high']:+.2%})"
              f"{'  FALSE SLOWDOWN' if false_slowdown else ''}", flush=True)
print(f"{runs} runs: {kinds}; a slowdown was seen in {slowdowns}")
sys.exit(1 if slowdowns > max(1, runs // 20) else 0)
