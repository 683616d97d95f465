#!/usr/bin/env python3
"""Checks that hang, crash, flood, always alarm, never do or alarm at random, in real runs: each is told for what it is beside
a link that goes down, and a job does not notice them (their effect on its steps is below 5 %, with its interval). 6 min, on a
machine that does nothing else. The same of simulated scorecards, with their intervals: bench_score_calibration.

usage: GRIT=build/release/grit GRIT_SOURCE=. tests/bench/odd_checks.py [PAIRS]"""

import json
import sys
from pathlib import Path
sys.path.insert(0, str(Path(__file__).parent.parent / "e2e"))
from gritlib import SOURCE, Workspace, grit, verdict  # noqa: E402

PAIRS = int(sys.argv[1]) if len(sys.argv) > 1 else 10
wrong = []


def expect(condition, what):
    print(f"{'as it should be' if condition else 'WRONG'}: {what}", flush=True)
    if not condition:
        wrong.append(what)


def readings_an_hour(run, check):
    """Of a node. Each block of each node is told at its end; before the first one nothing is known of when it began."""
    by_node = {}
    for line in (run / "events.jsonl").read_text().splitlines():
        event = json.loads(line)
        if event.get("type") == "check_summary" and event["check"] == check:
            by_node.setdefault(event["node"], []).append((event["t_ns"], event["readings"]))
    readings = sum(count for ends in by_node.values() for _, count in ends[1:])
    return readings / sum((ends[-1][0] - ends[0][0]) / 3600e9 for ends in by_node.values())


with Workspace() as work:
    scenario = SOURCE / "scenarios/reports/odd_checks.lua"
    common = ("--allow-command", "--pairs", PAIRS)
    grit("run", scenario, *common, "--out", work.path / "scored", expect=(0, 1, 2), timeout=600)
    card = json.loads(grit("score", work.path / "scored", "--json").out)
    of = {one["check"]: one for one in card["results"]}
    alarms = {one["name"]: one["false_alarms"] for one in card["checks"]}
    for name in ("hangs", "crashes", "floods"):
        expect(of[name]["unreadable"] == of[name]["of"] > 0 and of[name]["found"] == 0 and alarms[name]["episodes"] == 0,
               f"{name}: cannot be read in any of {of[name]['of']} injections")
    expect(of["always"]["found"] == 0 and of["always"]["on_at_onset"] == of["always"]["of"] and not of["always"]["credited"],
           f"always: on before, so it found none of {of['always']['of']}")
    expect(of["never"]["found"] == 0 and alarms["never"]["episodes"] == 0, "never: found none, no false alarm")
    expect(not of["random"]["credited"], f"random: not credited for the {of['random']['found']} of {of['random']['of']} it hit")
    # While it is off, each of its readings alarms with 13 of 256. They are counted, since on a busy machine not all of them are made.
    truth = readings_an_hour(work.path / "scored", "random") * 13 / 256  # an interval of 95 %: wrong by chance once in twenty times
    expect(alarms["random"]["low"] <= truth <= alarms["random"]["high"],
           f"random: {alarms['random']['low']:.0f} .. {alarms['random']['high']:.0f} false alarms an hour, in truth {truth:.0f}")
    expect(of["link_up"]["credited"], f"link_up: credited, {of['link_up']['found']} of {of['link_up']['of']}")

    # The scenario expects at most 5 %, and its interval must say so: on a noisy machine it is too wide to.
    status = grit("run", scenario, *common, "--set", "case=cost", "--out", work.path / "cost", expect=(0, 1, 2), timeout=600).returncode
    effect = verdict(work.path / "cost")["effect"]
    expect(status == 0, "steps differ by less than 5 % while they are read: "
                        f"{effect['estimate']:+.2%} ({effect['ci_low']:+.2%} .. {effect['ci_high']:+.2%})")
sys.exit(1 if wrong else 0)
