"""Plans: the same seed gives the same bytes, another seed another order; list, describe, doctor and help answer."""

import json
from gritlib import SOURCE, Workspace, assert_same_state, grit, machine_state

before = machine_state()
flap = SOURCE / "scenarios/link_flap.lua"
for seed in 0, 7:
    one = grit("plan", flap, "--seed", seed, "-n", 4, "--json", expect=0).out
    two = grit("plan", flap, "--seed", seed, "-n", 4, "--json", expect=0).out
    assert one == two and json.loads(one)["seed"] == seed
others = {grit("plan", flap, "--seed", seed, "-n", 4, "--json", expect=0).out for seed in (8, 9, 10)}
assert one not in others and len(others) == 3
people = grit("plan", flap, "--seed", 7, "-n", 4, expect=0).out
print(people)
for words in ("link_flap", "eth0", "admin", "persistent", "seed"):
    assert words in people, words
assert "link_flap" in grit("list", "faults", expect=0).out
assert "down" in grit("describe", "link_flap", expect=0).out
wrong = grit("describe", "link_flip", expect=64)
assert "link_flap" in wrong.err
assert "example" in grit("run", "--help", expect=0).out
print(grit("doctor", expect=(0, 69)).out)

# Every fault describes itself: units, ranges, and each mechanism with whether it works here, and why not.
names = [line.split()[0] for line in grit("list", "faults", expect=0).out.splitlines() if line.startswith("  ") and line[2] != " "]
assert len(names) == 32, names
for name in names:
    said = grit("describe", name, expect=0).out
    assert "mechanisms on this machine" in said and ("available" in said or "not here: " in said), said
    assert f"grit.fault.{name}" in said and "unit" in said and (SOURCE / f"scenarios/{name}.lua").exists(), said
print(grit("describe", "link_delay", expect=0).out, grit("describe", "timing", expect=0).out)

# Every guard rail refuses with the flag that overrides it, and lets pass with that flag.
FAULT = """
local grit = require "grit"
return grit.scenario {{
  name = "guards", workload = grit.workload.ddp {{ model = "gpt2-small", scale = 0.01 }},
  faults = {{ {fault} }}, design = {{ pairs = 6, block = "2s" }}, expect = {{ slowdown = {{ at_least = "1%" }} }},
}}
"""
GUARDS = [
    ('grit.fault.link_flap { on = 1, nic = "mgmt0" }', "mgmt0", ["--allow-management"]),
    ("grit.fault.process_kill { on = 1 }", "does not come back", ["--allow-destructive"]),
    ('grit.fault.command { on = 1, apply = "true", evidence = "false", counter = "echo 1", revert = "true" }', "runs commands", ["--allow-command"]),
    ('grit.fault.site_check { on = 1, command = "true", limit = "1s" }', "runs commands", ["--allow-command"]),
    ('grit.fault.memory_pressure { on = 1, share = "99%" }', "must stay free", ["--free-memory", "1MiB"]),
]
with Workspace() as work:
    for number, (fault, words, flag) in enumerate(GUARDS):
        scenario = work.write(f"guard{number}.lua", FAULT.format(fault=fault))
        for command in ("plan", "run"):
            refused = grit(command, scenario, "-n", 4, expect=64)
            print((refused.out + refused.err).strip())
            assert words in refused.out + refused.err and flag[0] in refused.out + refused.err
        allowed = grit("plan", scenario, "-n", 4, *flag, expect=0)
        assert words in allowed.out, allowed.out  # it still says what was allowed
    many = work.write("many.lua", FAULT.format(fault='grit.fault.rank_delay { on = "all" }'))
    grit("plan", many, "-n", 4, expect=0)
    refused = grit("plan", many, "-n", 4, "--max-victims", 3, expect=64)
    assert "4 nodes have a fault at the same time" in refused.out + refused.err and "--max-victims 4" in refused.out + refused.err
    # The override works in a run, too, and the run says that it was given. Beside it a check of grit's own as the fault, which
    # is grit itself once more.
    own_check = 'grit.fault.site_check { on = 0, check = "link_up", limit = "5s" }, '
    command = work.write("command.lua", FAULT.format(fault=own_check + GUARDS[2][0].replace('"true", evidence = "false"', f'"touch {work.path}/on", evidence = "test -e {work.path}/on"')
                                                     .replace('"echo 1"', f'"ls {work.path} | wc -l"').replace('revert = "true"', f'revert = "rm -f {work.path}/on"')).replace('"2s"', '"4 steps"'))
    grit("run", command, "-n", 2, "--allow-command", "--out", work.path / "run", expect=(0, 1, 2))
    assert json.loads((work.path / "run/plan.json").read_text())["allowed"]["commands"] is True
    assert not (work.path / "on").exists()
    checked = next(fault for fault in json.loads((work.path / "run/verdict.json").read_text())["faults"] if fault["name"] == "site_check")
    assert checked["applied"] and checked["acting"] and checked["reverted"] and checked["acted"]["cpu_ns"] > 0, checked
    assert "not_run" not in checked["acted"], checked
assert_same_state(before)
