"""Where the agents meet the recorder: over IPv6 where that is all there is, at the address and port that every node reaches, or an error that says why
nowhere."""

import json
import time

from sitelib import GRIT_HERE, Layout, Site, outside, run_grit, write

SHORT = """
local grit = require "grit"
return grit.scenario {
  name = "short",
  workload = grit.workload.ddp { model = "gpt2-small", scale = 0.005 },
  design = { pairs = 6, block = "200ms", warmup = 1 },
  expect = { slowdown = { at_most = "1000%" } },
}
"""
# From n1 to n0 what goes to TCP ports above 32767, those that the kernel chooses, gets lost, as in a firewall: it is sent to a machine that is not there.
CLOSE = """
ip {family} rule add to {address} ipproto tcp dport 32768-65534 lookup 77
ip {family} route add {address} via {nobody} dev eno1 onlink table 77
ip neigh replace {nobody} lladdr 02:00:00:00:00:99 nud permanent dev eno1
"""
PORT = 4711
REFUSED_LIMIT_S = 25  # 2 s of trying, on a machine that is busy with something else; the recorder misses unheard agents after 30 s


def close(site, family, address, nobody):
    site.run("sh", "-ec", CLOSE.format(family=family, address=address, nobody=nobody), node="n1")


def doctor(site, *arguments, expect):
    """What each node says of the recorder."""
    done = site.run(*site.launch(3), GRIT_HERE, "doctor", "--json", *arguments, expect=expect)
    nodes = json.loads(done.out)["nodes"]
    said = {node["node"]: fact for node in nodes for fact in node["facts"] if fact["topic"] == "recorder"}
    print({name: fact["value"] for name, fact in said.items()}, flush=True)
    return said


def completed(site, run, *arguments):
    done = run_grit(site, site.launch(3), write(site, "short.lua", SHORT), *arguments, run=run)
    file = outside(site, run) / "verdict.json"
    assert file.exists(), f"no verdict: exit code {done.returncode}\n{done.err}"
    verdict = json.loads(file.read_text())
    assert verdict["outcome"] == "completed", (verdict, done.err)


with Site("ssh", Layout(nodes=3, ipv6_only=True)) as site:
    said = doctor(site, expect=0)
    assert all(fact["value"].startswith("tcp://[fd78::a]:") for fact in said.values()), said
    completed(site, "/srv/runs/ipv6")

with Site("ssh", Layout(nodes=3)) as site:
    for index, name in enumerate(site.names):
        site.run("ip", "addr", "add", f"fd78::{index + 10:x}/64", "dev", "eno1", "nodad", node=name)
    said = doctor(site, expect=0)
    assert all(fact["value"].startswith("tcp://10.78.0.10:") for fact in said.values()), said

    # The first address is not reached by one node: the second is taken by all.
    close(site, "-4", "10.78.0.10", "10.78.0.250")
    said = doctor(site, expect=0)
    assert all(fact["value"].startswith("tcp://[fd78::a]:") for fact in said.values()), said
    completed(site, "/srv/runs/second")

    # None is reached by all.
    close(site, "-6", "fd78::a", "fd78::fa")
    said = doctor(site, expect=69)
    assert [name for name, fact in said.items() if fact["fatal"]] == ["n1"], said
    assert "10.78.0.10 port" in said["n1"]["problem"] and "fd78::a port" in said["n1"]["problem"], said
    scenario = write(site, "short.lua", SHORT)
    begun = time.monotonic()
    refused = site.run(*site.launch(3), GRIT_HERE, "run", scenario, "--out", "/srv/runs/refused", expect=69)
    took_s = time.monotonic() - begun
    assert took_s < REFUSED_LIMIT_S, f"{took_s:.1f} s: {refused.err}"
    for words in ("from n1: 10.78.0.10 port", "from n1: fd78::a port", "timed out", "--port", "GRIT_MANAGEMENT_NICS"):
        assert words in refused.err, refused.err
    print(f"refused after {took_s:.1f} s: {refused.err}", flush=True)

    # At a port that is open.
    said = doctor(site, "--port", PORT, expect=0)
    assert {fact["value"] for fact in said.values()} == {f"tcp://10.78.0.10:{PORT}"}, said
    completed(site, "/srv/runs/port", "--port", PORT)

    # Somebody else's.
    holder = site.start("python3", "-m", "http.server", "--bind", "10.78.0.10", str(PORT), node="n0")
    try:
        site.run("sh", "-c", f"for i in $(seq 100); do python3 -c 'import socket; socket.create_connection((\"10.78.0.10\", {PORT}))' "
                 "2>/dev/null && exit 0; sleep 0.1; done; exit 1", node="n0")  # fmt: skip
        refused = site.run(*site.launch(3), GRIT_HERE, "run", scenario, "--out", "/srv/runs/taken", "--port", PORT, expect=69)
        assert f"10.78.0.10 port {PORT}: Address already in use" in refused.err, refused.err
    finally:
        holder.kill()
        holder.communicate()
