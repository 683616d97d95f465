"""grit measure, as cells of a burn-in call it: the directory of a run goes away however the run ends, two at once do not meet in one, and what an
earlier front end left measuring is ended before anything else is measured."""

import json
import os
import signal
import subprocess
import time

from gritlib import GRIT, Workspace, assert_same_state, machine_state, terminate

MPIRUN = ["mpirun", "-n", "2", "--oversubscribe", "--allow-run-as-root", "--mca", "btl", "self,vader"]
RUN = """
local grit = require "grit"
return grit.scenario {
  name = "steps", summary = "steps and nothing else",
  workload = grit.workload.ddp { model = "gpt2-small", scale = 0.01, compute = "emulated" },
  faults = { grit.fault.rank_delay { on = 0, delay = "2ms" } },
  design = { pairs = PAIRS, block = "300ms", warmup = 0 },
  expect = { slowdown = { at_least = "1%" } },
}
"""


class Place:
    """Where cells put what they need for a moment: on a cluster it may be of all nodes."""

    def __init__(self, work):
        self.path = work.path / "scratch"
        self.path.mkdir()

    def runs(self):
        return [entry.name for entry in self.path.iterdir() if entry.name.startswith("grit-burnin")]

    def start(self, *words, launcher=()):
        environment = dict(os.environ, HOME=str(self.path), TMPDIR=str(self.path))
        words = [*launcher, str(GRIT), "measure", "--hosts", "n1", *map(str, words)]
        return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, cwd=self.path,
                                start_new_session=True)

    def run(self, scenario):
        return self.start("--scenario", scenario, "--limit-ns", 120 * 10**9, launcher=MPIRUN)

    def wait_for_runs(self, process, count):
        deadline = time.monotonic() + 60
        while len(self.runs()) < count:
            assert process.poll() is None and time.monotonic() < deadline, process.communicate()
            time.sleep(0.01)


def lines_of(out):
    return [json.loads(line) for line in out.splitlines() if '"grit_measure"' in line]


def end_of(process, timeout=120):
    try:
        out, err = process.communicate(timeout=timeout)
    finally:
        terminate(process)
    return process.returncode, out, err


def a_run_leaves_no_directory(work, place):
    # The long one lasts for nearly two minutes, so that it still goes on on a busy machine when it is ended, long before that.
    short, long = work.write("short.lua", RUN.replace("PAIRS", "6")), work.write("long.lua", RUN.replace("PAIRS", "190"))
    code, out, err = end_of(place.run(short))
    assert code == 0, (code, err)
    lines = lines_of(out)
    assert lines[0]["host"] == "n1" and len(lines[0]["boot_id"]) == 36, lines
    assert any("figures" in line for line in lines), lines
    assert place.runs() == []

    # Beside one that goes on another one is refused, for they would disturb each other. Its launcher is ended; should that have killed it before
    # it could clear up, the next one on this node does.
    process = place.run(long)
    try:
        place.wait_for_runs(process, 1)
        first = place.runs()
        code, _, err = end_of(place.run(short))
        assert code != 0 and "another grit run" in err, (code, err)
        assert place.runs() == first, place.runs()
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        code, _, err = end_of(process)
    finally:
        terminate(process)
    assert code != 0, err
    other_nodes = place.path / "grit-burnin-20261129T000000Z-n2-999999999"
    other_nodes.mkdir()
    code, _, err = end_of(place.run(short))
    assert code == 0, (code, err)
    assert place.runs() == [other_nodes.name], (place.runs(), err)


def what_was_left_behind_is_ended(place):
    words = ("--kinds", "compute", "--limit-ns", 300 * 10**9)
    behind = place.start(*words, "--length-ns", 200 * 10**9, "--burnin", 7)
    other = place.start(*words, "--length-ns", 200 * 10**9, "--burnin", 8)
    try:
        for process in (behind, other):
            assert "boot_id" in process.stdout.readline()  # it measures
        code, out, err = end_of(place.start(*words, "--length-ns", 10**8, "--burnin", 7))
        assert code == 0, (code, err)
        assert [line for line in lines_of(out) if "figures" in line], out
        assert end_of(behind, timeout=10)[0] == -signal.SIGTERM
        assert other.poll() is None  # it is another burn-in's
    finally:
        terminate(behind)
        terminate(other)


before = machine_state()
with Workspace() as work:
    place = Place(work)
    what_was_left_behind_is_ended(place)
    a_run_leaves_no_directory(work, place)
assert_same_state(before)
