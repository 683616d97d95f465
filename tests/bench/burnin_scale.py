#!/usr/bin/env python3
"""Wall time of a burn-in against the number of local nodes, by rounds, and what the parts say of a large fleet.

usage: GRIT=build/release/grit GRIT_SOURCE=. tests/bench/burnin_scale.py OUT [NODES ...]     4 8 16 32 unless they are named

Each size is run once into OUT/NODES; one that is there and complete is not run again, so that the table grows with each call. The plan for
FLEET nodes takes the middle time of a cell of each round as it was measured here, at the largest size, and as many cells as the round has
there, PARALLEL at a time: a node of a real fleet has its own cores, so that all rounds run side by side there. Confirmations are left out."""

import json
import math
import statistics
import subprocess
import sys
import time
from pathlib import Path
sys.path.insert(0, str(Path(__file__).parent.parent / "e2e"))
from gritlib import GRIT  # noqa: E402

FLEET, PARALLEL = 2048, 64


def burn_in(out, nodes):
    """Wall time in seconds; of a burn-in that is there, as it was noted."""
    noted = out / "wall_s.json"
    if noted.exists() and json.loads((out / "burnin.json").read_text())["complete"]:
        return json.loads(noted.read_text())
    began = time.monotonic_ns()
    done = subprocess.run([GRIT, "burnin", "--local-nodes", str(nodes), "--config", "quick", "--out", str(out)], stdout=subprocess.DEVNULL,
                          timeout=3600)
    assert done.returncode in (0, 1, 2), f"{nodes} nodes: exit code {done.returncode}"
    wall_s = (time.monotonic_ns() - began) / 1e9
    noted.write_text(json.dumps(wall_s))
    return wall_s


def cells_of(out):
    """Seconds of each cell that completed, by round; those that confirm apart."""
    cells, confirming = {}, []
    for line in (out / "burnin.jsonl").read_text().splitlines():
        one = json.loads(line)
        if one.get("type") != "cell_done" or one["result"]["end"] != "completed":
            continue
        took_s = one["result"]["took_ns"] / 1e9
        if one["result"]["cell"]["confirms"]:
            confirming.append(took_s)
        else:
            cells.setdefault(one["result"]["cell"]["round"], []).append(took_s)
    return cells, confirming


def cells_in(round_, nodes):
    """How many cells a round has, by its shape."""
    if round_["shape"] == "group":
        sizes = [size or nodes for size in round_["sizes"]]
        return round_["visits"] * sum(math.ceil(nodes / size) for size in sizes)
    return round_["visits"] * (math.ceil(nodes / 2) if round_["shape"] == "pair" else nodes)


def main(out, sizes):
    out.mkdir(parents=True, exist_ok=True)
    print("nodes   wall s   cells   confirming   by round: seconds (cells, middle of a cell)", flush=True)
    for nodes in sizes:
        wall_s = burn_in(out / str(nodes), nodes)
        report = json.loads((out / str(nodes) / "burnin.json").read_text())
        cells, confirming = cells_of(out / str(nodes))
        rounds = ", ".join(f"{name} {report['round_took_ns'].get(name, 0) / 1e9:.0f} ({len(times)}, {statistics.median(times):.2f})"
                           for name, times in cells.items())
        print(f"{nodes:5} {wall_s:8.1f} {sum(map(len, cells.values())):7} {len(confirming):12}   {rounds}", flush=True)
    print(f"\n{FLEET} nodes, {PARALLEL} cells at a time, with the times of a cell at {sizes[-1]} nodes:")
    total_s = 0
    for round_ in report["config"]["rounds"]:
        if round_["name"] not in cells:
            print(f"  {round_['name']}: no cell of it completed here")
            continue
        count, cell_s = cells_in(round_, FLEET), statistics.median(cells[round_["name"]])
        round_s = math.ceil(count / PARALLEL) * cell_s
        total_s += round_s
        print(f"  {round_['name']}: {count} cells of {cell_s:.2f} s: {round_s / 60:.1f} min")
    print(f"  together {total_s / 60:.0f} min, without confirmations; {PARALLEL} launches at a time are "
          f"{PARALLEL / max(0.01, statistics.median([s for times in cells.values() for s in times])):.0f} launches a second")


if __name__ == "__main__":
    main(Path(sys.argv[1]), [int(word) for word in sys.argv[2:]] or [4, 8, 16, 32])
