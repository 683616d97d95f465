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
