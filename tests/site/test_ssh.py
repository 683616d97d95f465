"""An sshd a node and mpirun with a host file: the link that flaps is found."""

from sitelib import FLAP, Site, assert_no_residue, run_until_clear, site_state, write

with Site("ssh") as site:
    before = site_state(site)
    run_until_clear(site, site.launch(4), write(site, "flap.lua", FLAP), "/srv/runs/flap")
    assert_no_residue(site, before)
