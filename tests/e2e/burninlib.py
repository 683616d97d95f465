"""What the tests of burn-ins share: a short configuration, nodes with shaped links, and what a burn-in's directory holds."""

import json
from collections import Counter

# Facts and links alone: a link that a queueing discipline holds to a rate has that rate on a busy machine, too.
LINKS = """
return {
  name = "links_only",
  summary = "facts and links",
  rounds = {
    { name = "facts", kinds = { "facts" }, alone = false },
    { name = "links", kinds = { "link" }, visits = 3, length = "400ms", limit = "40s" },
  },
  confirm_visits = 3, looks = 2,
}
"""

SOLO = """
return {
  name = "solo_only",
  summary = "facts and matrix products",
  rounds = {
    { name = "facts", kinds = { "facts" }, alone = false },
    { name = "solo", kinds = { "compute" }, visits = 2, length = "200ms", limit = "40s" },
  },
  confirm_visits = 2, looks = 1,
}
"""


# All links go down for 20 ms, in each of six blocks, which TCP is soon over.
DOWN = """
local grit = require "grit"
return grit.scenario {
  name = "down",
  workload = grit.workload.ddp { model = "gpt2-small", scale = 0.002, compute = "emulated", peak = "100TFLOP/s" },
  faults = { grit.fault.link_flap { on = "all", nic = "data", down = "20ms", after = "300ms" } },
  design = { pairs = 6, block = "1s" },
  expect = { slowdown = { at_least = "5%" } },
}
"""

# Enough visits that all are read before and after a flap in the first of them; then a round that takes all links down itself.
VISITS = """
return {
  name = "visits",
  summary = "facts and matrix products, again and again",
  rounds = {
    { name = "facts", kinds = { "facts" }, alone = false },
    { name = "solo", kinds = { "compute" }, visits = 4, length = "100ms", limit = "40s" },
    { name = "flap", scenario = "DOWN", shape = "pair", limit = "40s" },
    { name = "facts_after", kinds = { "facts" }, alone = false },
  },
  limits = { compute = { tolerance = "90%" } },
  confirm_visits = 2, looks = 1,
}
"""


def flapping(node, directory, cells):
    """A command for --before: the switch's port of that node goes down for a second, once, after so many cells."""
    port = f"data{node}"
    flap = (f"until [ $(grep -c cell_done {directory}/burnin.jsonl) -ge {cells} ]; do sleep 0.05; done; "
            f"ip link set {port} down; sleep 1; ip link set {port} up")
    return f"setsid sh -c '{flap}' < /dev/null > /dev/null 2>&1 &"


def shaped(nodes, slow=None):
    """A command for --before: what each node sends is held to 200 Mbit/s, and what a slow one sends to half of it."""
    commands = []
    for node in range(nodes):
        rate = "100mbit" if node == slow else "200mbit"
        commands.append(f'"$GRIT" enter-node 10.77.0.{node + 1} tc qdisc add dev eth0 root tbf rate {rate} burst 64kb latency 50ms')
    return " && ".join(commands)


def log(directory, kind=None):
    lines = [json.loads(line) for line in (directory / "burnin.jsonl").read_text().splitlines()]
    return [line for line in lines if kind is None or line["type"] == kind]


def done_cells(directory):
    return [line["result"]["cell"]["id"] for line in log(directory, "cell_done")]


def report(directory):
    return json.loads((directory / "burnin.json").read_text())


def states(directory):
    return {node["host"]: node["state"] for node in report(directory)["nodes"]}


def assert_log_is_right(directory):
    """No cell was run again after it was done, each was begun before, and the states of the log are those of the report."""
    done = Counter(done_cells(directory))
    assert all(count == 1 for count in done.values()), done
    begun = {line["cell"]["id"] for line in log(directory, "cell_started")}
    assert set(done) <= begun
    last = {line["host"]: line["to"] for line in log(directory, "state")}
    assert last == states(directory), (last, states(directory))
