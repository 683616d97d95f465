"""Plans: the same seed gives the same bytes, another seed another order; list, describe, doctor and help answer."""

import json
from gritlib import SOURCE, assert_same_state, grit, machine_state

before = machine_state()
flap = SOURCE / "scenarios/link_flap.lua"
one = grit("plan", flap, "--seed", 7, "-n", 4, "--json", expect=0).out
two = grit("plan", flap, "--seed", 7, "-n", 4, "--json", expect=0).out
assert one == two and json.loads(one)["seed"] == 7
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
assert_same_state(before)
