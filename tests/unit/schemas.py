"""docs/schema against what grit writes: the old runs of tests/data as they are, and what the new program makes of them."""

import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from documented import SCHEMAS, assert_documented, problems_of, schema_of

source, grit = Path(sys.argv[1]), sys.argv[2]


def output_of(*words):
    done = subprocess.run([grit, *map(str, words)], capture_output=True, text=True, timeout=120)
    assert done.returncode in (0, 1, 2, *{"doctor": [69], "check": [3]}.get(words[0], [])), (words, done.returncode, done.stderr)
    return json.loads(done.stdout)


def assert_fits(document, name):
    found = problems_of(document, name)
    assert not found, found


old = sorted((source / "tests/data/29e12f6").iterdir())
assert len(old) >= 5, old
with tempfile.TemporaryDirectory() as place:
    for run in old:
        assert_documented(run)
        copy = Path(place) / run.name
        shutil.copytree(run, copy)
        assert_fits(output_of("report", copy, "--json"), "verdict")
        assert_documented(copy)
    monday, tuesday = Path(place) / "quiet_monday", Path(place) / "quiet_tuesday"
    assert_fits(output_of("compare", monday, tuesday, "--json"), "comparison")
    assert_fits(output_of("compare", "--series", monday, tuesday, "--json"), "trend")
    assert_fits(output_of("compare", "--series", monday, "--json"), "trend")

for scenario in ("link_flap", "partition", "healthy"):
    assert_fits(output_of("plan", source / f"scenarios/{scenario}.lua", "-n", 4, "--json"), "plan")
MESH = """
local grit = require "grit"
return grit.scenario {
  name = "mesh", workload = grit.workload.ddp {}, mesh = { dp = 4 },
  faults = { grit.fault.rank_delay { rank = { dp = 1 } }, grit.fault.link_flap { on = { dp = 2 } } },
  design = { block = "3s" }, expect = { slowdown = { at_least = "10%" } },
}
"""
with tempfile.TemporaryDirectory() as place:
    mesh = Path(place) / "mesh.lua"
    mesh.write_text(MESH)
    planned = output_of("plan", mesh, "-n", 4, "--json")
    assert planned["mesh"]["dp"] == 4 and planned["faults"][0]["ranks"] == {"dp": 1} and planned["faults"][1]["on"] == {"dp": 2}, planned
    assert_fits(planned, "plan")
assert_fits(output_of("doctor", "--json"), "doctor")
checked = output_of("check", "--json")
assert_fits(checked, "check")
# What counts is read twice, so that it can say something.
once = [one["check"] for one in checked["checks"] for outcome in one["outcomes"] if outcome["detail"] == "first reading"]
assert not once and checked["duration_ns"] > 1_000_000_000, (once, checked["duration_ns"])
assert_fits(json.loads((source / "tests/snapshots/score/score.json").read_text()), "score")
for name in ("burnin", "soak"):
    assert_fits(json.loads((source / f"tests/snapshots/burnin/{name}.json").read_text()), "burnin")

# A member that no schema lists is found, wherever it is; so is one of another type.
flap = source / "tests/data/29e12f6/link_flap"
for name in ("verdict", "plan"):
    document = json.loads((flap / f"{name}.json").read_text())
    assert not problems_of(document, name)
    assert problems_of({**document, "weather": "fair"}, name), "a member more"
    assert problems_of({**document, "scenario": 7}, name), "of another type"
    deep = json.loads(json.dumps(document))
    deep["faults"][0]["weather"] = "fair"
    assert problems_of(deep, name), "a member more, deep inside"
assert problems_of({"type": "goodbye", "node": 0, "t_ns": 1, "weather": "fair"}, "events")
assert problems_of({"type": "weather", "node": 0, "t_ns": 1}, "events")
assert not problems_of({"type": "goodbye", "node": 0, "t_ns": 1, "format": 1}, "events")
# The newest format of each, as the program has it.
header = (source / "harness/model/format.hpp").read_text()
for document, number in re.findall(r'\{"([a-z/]+\.jsonl?)", (\d+)\}', header):
    name = schema_of(document)
    schema = json.loads((SCHEMAS / f"{name}.schema.json").read_text())
    formats = next(one["properties"]["format"] for one in [schema, *schema.get("oneOf", ())] if "properties" in one)
    assert formats["maximum"] == int(number), (name, formats, number)
print(f"{len(old)} runs are as {len(list(SCHEMAS.glob('*.json')))} schemas say")
