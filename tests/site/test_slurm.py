"""A real Slurm with a slurmd a node: runs end with the right verdict, and whatever is killed, nothing stays behind."""

import json
import os
from sitelib import FLAP, GRIT_HERE, HEALTHY, THROTTLE, Site, assert_no_residue, outside, run_until_clear, site_state, write


def check_healthy(site):
    done = site.run(*site.launch(4), GRIT_HERE, "run", write(site, "healthy.lua", HEALTHY), "--out", "/srv/runs/healthy", "--json", expect=(0, 2))
    result = json.loads(done.out)
    print(result["sentence"], flush=True)
    # Four ranks on two cores are noisy: "cannot tell" is honest there, a slowdown would be a lie.
    assert result["outcome"] == "completed" and result["verdict"] in ("reproduced", "inconclusive"), done.out
    assert result == json.loads((outside(site, "/srv/runs/healthy") / "verdict.json").read_text())


def check_link_flap_names_its_node(site):
    run_until_clear(site, site.launch(4), write(site, "flap.lua", FLAP), "/srv/runs/flap")


def check_two_bound_ranks_a_node(site):
    launch = site.launch(8, bound=True)
    bound = site.run(*launch, "sh", "-c", "grep Cpus_allowed_list: /proc/self/status").out.split()
    if (os.cpu_count() or 1) > 1:
        assert sorted(set(bound[1::2])) == ["0", "1"], f"not bound to a core each: {bound}"
    run_until_clear(site, launch, write(site, "throttle.lua", THROTTLE), "/srv/runs/throttle")


def main():
    with Site("slurm") as site:
        before = site_state(site)
        for check in (check_healthy, check_link_flap_names_its_node, check_two_bound_ranks_a_node):
            print(f"── {check.__name__}", flush=True)
            check(site)
            assert_no_residue(site, before)


main()
