"""The walls of the house: who may include whom (docs/architecture.md), Lua only in the scenario layer, vendor headers only in backends."""

import re
import sys
from pathlib import Path

root = Path(sys.argv[1])
# The rooms of the analysis, and who may include whom.
ROOMS = {
    "stats": "",
    "records": "stats",
    "facts": "stats records",
    "blame": "stats records facts",
    "verdict": "stats records facts blame",
    "compare": "stats records facts blame verdict",
    "series": "stats records facts blame verdict",
    "score": "stats records facts",
    "burnin": "stats",
    "simulate": "stats records facts",
    "report": "stats records facts blame verdict compare series score burnin",
}
# Each layer may include itself and what is listed.
ALLOWED = {
    "harness/base": [],
    "harness/model": ["harness/base"],
    "harness/os": ["harness/model", "harness/base"],
    "harness/record": ["harness/os", "harness/model", "harness/base"],
    "injectors": ["harness/record", "harness/os", "harness/model", "harness/base"],
    "workloads": ["harness/record", "harness/os", "harness/model", "harness/base"],
    **{f"analysis/{room}": [f"analysis/{below}" for below in rooms.split()] + ["harness/record", "harness/os", "harness/model", "harness/base"]
       for room, rooms in ROOMS.items()},
    "harness/health": ["harness/record", "harness/os", "harness/model", "harness/base"],
    "harness/scenario": ["injectors", "workloads", "harness/health", "harness/model", "harness/base"],
    "harness/cluster": ["harness/record", "harness/os", "harness/model", "harness/base"],
    "harness/agent": ["injectors", "harness/health", "harness/record", "harness/os", "harness/model", "harness/base"],
    "harness/run": ["harness/agent", "harness/scenario", "harness/cluster", "injectors", "workloads", *(f"analysis/{room}" for room in ROOMS), "harness/health",
                    "harness/record", "harness/os", "harness/model", "harness/base"],
    "harness/burnin": ["harness/run", "harness/scenario", "harness/cluster", "analysis/burnin", "analysis/report", "harness/record", "harness/os", "harness/model",
                       "harness/base"],
}
VENDOR = {r"lua(lib|xlib)?\.h(pp)?": "harness/scenario/", r"mpi\.h": ("workloads/fabric/", "harness/run/"), r"nccl\.h": "workloads/accelerator/",
          r"(cuda|cublas).*\.h": "workloads/accelerator/", r"infiniband/.*": "workloads/fabric/", r"cblas\.h": "workloads/", r"nlohmann/.*": "harness/base/",
          r"netlink/.*": "harness/os/", r"hwloc\.h": ("harness/os/", "harness/cluster/"), r"zmq\.h(pp)?": "harness/agent/"}


# Single headers that another layer uses all the same: faults that load GPUs need the module.
DOORS = {("injectors", "workloads/compute/accelerator.hpp")}


def layer_of(path):
    return next((layer for layer in sorted(ALLOWED, key=len, reverse=True) if path.startswith(layer + "/")), None)


wrong = []
files = [f for d in ("harness", "injectors", "workloads", "analysis") for f in sorted((root / d).rglob("*.?pp"))]
for file in files:
    name = str(file.relative_to(root))
    layer = layer_of(name)
    for number, line in enumerate(file.read_text().splitlines(), 1):
        # nlohmann's dump() throws on text that is not UTF-8, which facts from outside may be.
        if re.search(r"(\.|->)dump\(", line) and not name.startswith("harness/base/json."):
            wrong.append(f"{name}:{number}: use json_text() or exact_json_text() of harness/base/json.hpp")
        found = re.match(r'\s*#\s*include\s*[<"]([^>"]+)[>"]', line)
        if not found:
            continue
        target = found.group(1)
        for pattern, home in VENDOR.items():
            if re.fullmatch(pattern, target) and not name.startswith(home):
                wrong.append(f"{name}:{number}: {target} belongs to {home}")
        if layer is None:
            continue  # harness/cli and main.cpp may use everything
        other = layer_of(target)
        if other is None and target.startswith("harness/"):
            wrong.append(f"{name}:{number}: {layer} must not include {target}")
        if other is not None and other != layer and other not in ALLOWED[layer] and (layer, target) not in DOORS:
            wrong.append(f"{name}:{number}: {layer} must not include {target}")
assert len(files) > 20, "found no sources"
print("\n".join(wrong) or f"{len(files)} files keep to their layers")
sys.exit(1 if wrong else 0)
