"""grit compare and grit run --baseline: two short runs of one thing, slower ones of the same job, and wrong inputs."""

import json
import shutil
from gritlib import Workspace, assert_same_state, grit, machine_state
from documented import problems_of

SHORT = """
local grit = require "grit"
return grit.scenario {
  name = "short",
  summary = "no fault, soon over",
  options = { peak = { "1 TFLOP/s", unit = "FLOP rate", help = "how fast its accelerators are" } },
  workload = function(o)
    return grit.workload.ddp { model = "gpt2-small", scale = 0.02, compute = "emulated", peak = o.peak }
  end,
  design = { pairs = 6, block = "250ms" },
  expect = { slowdown = { at_most = "900%" } },
}
"""

before = machine_state()
with Workspace() as work:
    short = work.write("short.lua", SHORT)

    def run(name, *arguments):
        directory = work.path / name
        return directory, grit("run", short, "-n", 2, "--out", directory, *arguments, expect=(0, 2), timeout=60)

    old, _ = run("old")
    # A second run says at its end how it compares with the first: one run a side, so it cannot tell.
    new, done = run("new", "--baseline", old, "--json")
    comparison = json.loads(done.out)["comparison"]
    assert comparison["change"] == "inconclusive" and comparison["shift"]["method"] == "within_runs", comparison
    assert comparison == json.loads((new / "comparison.json").read_text())
    assert (new / "compare.html").stat().st_size > 100_000

    done = grit("compare", old, new, expect=2)
    assert done.out.startswith("compare: inconclusive\n"), done.out
    for words in ("emulated", "one run a side", "at least twice", "compare.html"):
        assert words in done.out, (words, done.out)
    print(done.out)

    # The same job on slower accelerators is another workload, which is refused and named, unless it is asked for.
    slow, _ = run("slow", "--set", "peak=200 GFLOP/s")
    slower, _ = run("slower", "--set", "peak=200 GFLOP/s")
    done = grit("compare", old, slow, expect=64)
    assert "workload parameter peak" in done.err and "--force" in done.err, done.err
    done = grit("compare", "--force", "--old", old, new, "--new", slow, slower, "--json", "--junit", work.path / "junit.xml", "--csv",
                work.path / "runs.csv", "--fleet", 8192, "--jobs", "1024:100%", expect=(1, 2))
    comparison = json.loads(done.out)
    assert f'{"failures" if done.returncode == 1 else "errors"}="1"' in (work.path / "junit.xml").read_text()
    assert len((work.path / "runs.csv").read_text().splitlines()) == 1 + 4
    assert comparison["shift"]["estimate"] > 0.2 and comparison["shift"]["method"] == "t", comparison["shift"]
    # Two runs a side on a busy machine may be far apart. The exact answer is asserted where there is no noise but ours (tests/virtual).
    assert comparison["change"] in ("slower", "inconclusive"), comparison
    print(comparison["sentence"])
    assert (comparison["cost"] or {}).get("gpus") == (8192 if comparison["change"] == "slower" else None), comparison["cost"]
    assert not problems_of(comparison, "comparison"), problems_of(comparison, "comparison")
    done = grit("run", short, "-n", 2, "--out", work.path / "never", "--baseline", slow, expect=64)
    assert "workload parameter peak" in done.err and not (work.path / "never").exists(), done.err

    # Another kernel on one node is what is different between the machines.
    other = work.path / "other"
    shutil.copytree(new, other)
    environment = json.loads((other / "env/node1.json").read_text())
    environment["kernel"]["release"] = "6.99"
    (other / "env/node1.json").write_text(json.dumps(environment))
    page = work.path / "page.html"
    done = grit("compare", old, other, "--out", page, expect=2)
    first = next(line for line in done.out.splitlines() if "differs" in line)
    assert "kernel.release" in first and "6.99" in first and "node1" in first, done.out
    assert "6.99" in page.read_text()

    done = grit("compare", "--series", old, new, "--json", expect=2)
    assert "too few" in json.loads(done.out)["sentence"], done.out
    assert not problems_of(json.loads(done.out), "trend"), problems_of(json.loads(done.out), "trend")
    done = grit("compare", "--series", old, new, expect=2)  # the page is beside the newest one
    assert f"{new}/series.html" in done.out and "plot-loads" in (new / "series.html").read_text(), done.out

    # Wrong inputs.
    for arguments, words in (((old,), "grit compare OLD NEW"), ((old, new, slow), "grit compare OLD NEW"), ((), "grit compare OLD NEW"),
                             (("--old", old), "grit compare OLD NEW"), ((old, old), "given twice"), ((old, work.path), "not a run directory"),
                             ((old, work.path / "nowhere"), "not a run directory"), ((old, new, "--within", "5"), "--within"),
                             ((old, new, "--within", "0"), "--within")):
        done = grit("compare", *arguments, expect=64)
        assert words in done.err, (arguments, done.err)
    (other / "steps.npy").write_bytes(b"not an array")
    assert "steps.npy" in grit("compare", old, other, expect=64).err
assert_same_state(before)
