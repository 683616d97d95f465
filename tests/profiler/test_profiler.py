"""grit's NCCL profiler in a job that knows nothing of grit, on the stand-ins of CUDA and NCCL: what its processes leave, and what grit makes of it.

environment: GRIT, GRIT_PROFILED_JOB, GRIT_PROFILER, LD_LIBRARY_PATH (the stand-ins)"""

import json
import os
import re
import struct
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from documented import assert_documented

RANKS, STEPS = 2, 40
RECORD_BYTES, HEADER_BYTES = 104, 256
# By rank and step, in order: operation and CollectiveRecord::bytes.
ALL_REDUCE, REDUCE_SCATTER, ALL_GATHER, SEND, RECEIVE = 0, 1, 2, 4, 5
IN_A_STEP = [(ALL_REDUCE, 16384), (ALL_REDUCE, 4096), (REDUCE_SCATTER, 16384), (ALL_GATHER, 16384), (SEND, 256), (RECEIVE, 256)]
# The devices' timers are not the host's clock, and not each other's.
SCRIPT = f"devices {RANKS}\non RANK=1 gpu1.timer_offset_s -77.5\n"


def start_job(directory, work_ms, steps=STEPS, die_at=None, **more):
    """`work_ms`: by rank."""
    directory.mkdir()
    (directory / "script").write_text(SCRIPT)
    ranks = []
    for rank in range(RANKS):
        environment = {**os.environ, "RANK": str(rank), "WORLD_SIZE": str(RANKS), "NCCL_SOCKET_IFNAME": "lo", "GRIT_FAKE_CUDA": str(directory / "script"),
                       "NCCL_PROFILER_PLUGIN": os.environ["GRIT_PROFILER"], "GRIT_PROFILE_DIR": str(directory / "parts"), **more}
        environment = {key: value for key, value in environment.items() if value is not None}
        command = [os.environ["GRIT_PROFILED_JOB"], directory / "id", steps, work_ms[rank]] + ([die_at] if die_at is not None and rank == 1 else [])
        ranks.append(subprocess.Popen([str(word) for word in command], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
    return ranks


def run_job(directory, work_ms, **more):
    said = ""
    for rank in start_job(directory, work_ms, **more):
        out, err = rank.communicate(timeout=120)
        assert rank.returncode == 0 and "steps" in out, (rank.returncode, out, err)
        said += err
    return said


def grit(*words, expect=0):
    done = subprocess.run([os.environ["GRIT"], *map(str, words)], capture_output=True, text=True, timeout=120)
    assert done.returncode == expect, (words, done.returncode, done.stdout, done.stderr)
    return done


def records(file, form):
    """Of a NumPy file, format 1.0."""
    data = file.read_bytes()
    return list(struct.iter_unpack(form, data[10 + struct.unpack_from("<H", data, 8)[0]:]))


def spans(run):
    names = "rank step sequence wrong peer group operation type bytes entry_ns exit_ns wait_ns".split()
    return [dict(zip(names, one)) for one in records(run / "collectives.npy", "<IIIIiHBBqqqq")]


def parts(directory):
    return sorted((directory / "parts").glob("*.grit-nccl"))


def check_spans(run, steps):
    by_rank = defaultdict(list)
    for span in spans(run):
        by_rank[span["rank"], span["step"]].append(span)
        assert span["exit_ns"] > span["entry_ns"] > 0 and span["type"] == 0, span
    assert set(by_rank) == {(rank, step) for rank in range(RANKS) for step in range(steps)}, sorted(by_rank)
    for of, all_of in by_rank.items():
        assert [(span["operation"], span["bytes"]) for span in all_of] == IN_A_STEP, (of, all_of)
        entries = [span["entry_ns"] for span in all_of[:4]]
        assert entries == sorted(entries), (of, entries)
    return by_rank


def late_rank(work):
    """Rank 1 works for 12 ms a step, rank 0 for 2."""
    assert not run_job(work / "late", (2, 12))
    assert len(parts(work / "late")) == RANKS
    run = work / "late" / "run"
    said = grit("import-nccl", work / "late" / "parts", "--out", run).stdout
    print(said)
    steps = STEPS - 1
    assert f"{steps} steps, each of {len(IN_A_STEP)} operations of rank 0, beginning with AllReduce of 4096 elements among 2 ranks; 7 operations" in said, said
    first = next(line for line in said.splitlines() if "in a communicator" in line)
    assert "AllReduce of 4096 elements" in first and f"{steps} times: rank 1 " in first, first
    by_rank = check_spans(run, steps)
    behind_ms = [(by_rank[1, step][0]["entry_ns"] - by_rank[0, step][0]["entry_ns"]) / 1e6 for step in range(steps)]
    assert sum(one > 3 for one in behind_ms) >= 0.9 * steps, behind_ms
    bounds = [one["bound_ns"] for one in json.loads((run / "clock.json").read_text())["before"]]
    assert len(bounds) == 1 and 0 < bounds[0] < 2e7, bounds  # a machine of one host
    lengths_ms = [(end - start) / 1e6 for *_, start, end in records(run / "steps.npy", "<IIIIIIqq64x")]
    assert len(lengths_ms) == RANKS * steps and sum(10 < one < 400 for one in lengths_ms) >= 0.9 * len(lengths_ms), lengths_ms
    assert_documented(run)
    report = grit("report", run, expect=2).stdout  # no fault, so no verdict
    assert "expects nothing" not in report, report
    assert "ran without grit" in grit("replay", run, expect=64).stderr
    assert "FAKE GPUs" in report and "read from an NCCL job of 2 ranks on 1 host" in report, report
    assert (run / "report.html").exists()
    return run


def compared(work, run):
    assert not run_job(work / "again", (2, 24))
    grit("import-nccl", work / "again" / "parts", "--out", work / "again" / "run", "--operations", len(IN_A_STEP))
    done = grit("compare", run, work / "again" / "run", expect=2).stdout  # one run a side has no spread
    assert "The new run's steps differ by" in done, done
    assert grit("import-nccl", work / "again" / "parts", "--out", work / "again" / "run", expect=64).stderr.count("exists already")


def refused(work):
    for words, why in ((("--operations", 5), "3 of 5"), (("--tp", 3), "ranks")):
        done = grit("import-nccl", work / "late" / "parts", "--out", work / "no", *words, expect=64)
        assert "grit:" in done.stderr and (why in done.stderr or "follow each other alike" in done.stderr), done.stderr
    alone = work / "alone"
    alone.mkdir()
    (alone / parts(work / "late")[0].name).write_bytes(parts(work / "late")[0].read_bytes())
    assert "are missing" in grit("import-nccl", alone, "--out", work / "no", expect=64).stderr
    (alone / "x.grit-nccl").write_text("none of these")
    assert "is no profile" in grit("import-nccl", alone, "--out", work / "no", expect=64).stderr
    assert "has no part of a job" in grit("import-nccl", work, "--out", work / "no", expect=64).stderr
    assert not (work / "no").exists() and not (work / "no.unfinished").exists()


def nowhere_to_write(work):
    assert not run_job(work / "unasked", (1, 1), steps=5, GRIT_PROFILE_DIR=None)
    assert not parts(work / "unasked")
    (work / "file").write_text("")
    said = run_job(work / "unwritable", (1, 1), steps=5, GRIT_PROFILE_DIR=str(work / "file" / "parts"))
    assert said.count("grit profiles nothing of this process") == RANKS and "Not a directory" in said, said


def full_ring(work):
    run_job(work / "full", (1, 1), GRIT_PROFILE_RING="4")
    done = grit("import-nccl", work / "full" / "parts", "--out", work / "no", expect=64)
    assert "operations were lost" in done.stderr, done.stderr


def killed(work):
    """Both ranks end without a word; what was written some time before is there, and a torn record counts for nothing.
    Rank 1's last steps are missing: who was late before them is told of all the same."""
    ranks = start_job(work / "killed", (2, 12), die_at=STEPS - 5)
    assert ranks[1].wait(timeout=60) == -9
    time.sleep(0.3)
    ranks[0].kill()
    for rank in ranks:
        rank.communicate()
    for torn in parts(work / "killed"):
        assert (torn.stat().st_size - HEADER_BYTES) % RECORD_BYTES == 0 and torn.stat().st_size > HEADER_BYTES + 150 * RECORD_BYTES, torn.stat()
        is_of_rank_1 = struct.unpack_from("<q", torn.read_bytes(), 24) == (1,)
        os.truncate(torn, torn.stat().st_size - RECORD_BYTES // 2 - (2 * len(IN_A_STEP) * RECORD_BYTES if is_of_rank_1 else 0))
    run = work / "killed" / "run"
    said = grit("import-nccl", work / "killed" / "parts", "--out", run).stdout
    assert "of 6 operations of rank 0" in said, said
    assert len({span["step"] for span in spans(run)}) >= STEPS - 5 - 3, said
    assert re.search(r"AllReduce of 4096 elements in .*, (2[89]|3\d) times: rank 1 ", said), said
    assert all(one["bound_ns"] > 0 for one in json.loads((run / "clock.json").read_text())["before"]), said


def without_steps(work):
    """Of rank 1 there is not a whole step: its clock's error is told all the same, and is not that of rank 0, which is none."""
    for part in parts(work / "late"):
        if struct.unpack_from("<q", part.read_bytes(), 24) == (1,):
            os.truncate(part, HEADER_BYTES + 4 * RECORD_BYTES)
    run = work / "late" / "cut"
    grit("import-nccl", work / "late" / "parts", "--out", run)
    bounds = [one["bound_ns"] for one in json.loads((run / "clock.json").read_text())["before"]]
    assert len(bounds) == 1 and bounds[0] > 0, bounds
    assert {span["rank"] for span in spans(run)} == {0}


with tempfile.TemporaryDirectory(prefix="grit-profiler-") as name:
    directory = Path(name)
    run_of_late = late_rank(directory)
    compared(directory, run_of_late)
    refused(directory)
    nowhere_to_write(directory)
    full_ring(directory)
    killed(directory)
    without_steps(directory)
print("profiled jobs are what they should be")
