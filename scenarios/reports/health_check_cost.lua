-- "Our health check takes 10 s of a core every five minutes": what does that cost a job whose ranks wait for each other?
--
--   mpirun -n 8 --map-by node grit run scenarios/reports/health_check_cost.lua --command "nhc MARK_OFFLINE=0" --length 10s --allow-command
--   grit run scenarios/reports/health_check_cost.lua -n 2 --length 500ms --allow-command
--
-- Without --command a stand-in computes on one core for `length`; with it, `length` is how long the check may take, and it is killed
-- soon after. It runs once in each block with the fault, on all nodes at once, or, with --together false --turns 8, on one after the
-- other: a job waits for its slowest rank, so the same checks by turns may cost it as many times as much. (More than 16 nodes at
-- once: --max-victims.)
--
-- The verdict says what it costs each time that it comes; how much that is in a week (every 5 min is 288 times a day):
--
--   grit report RUN --per-day 288
local grit = require "grit"

return grit.scenario {
  name = "health_check_cost",
  summary = "The site's health check runs every few minutes: what does the job lose each time?",

  options = {
    command = { "", help = "the check, a line for /bin/sh; none: a stand-in that computes for `length`" },
    length = { "10s", min = "100ms", max = "10min", help = "how long it takes, at most" },
    period = { "5min", help = "how often it comes" },
    together = { "true", unit = "boolean", help = "on all nodes at once; false: by turns" },
    node = { "all", help = "together: the nodes on which it runs" },
    turns = { "2", unit = "count", min = 2, max = 64, help = "by turns: on so many nodes, from node 0 on" },
    accept = { "5%", help = "so much longer may a step take on average in a block with it" },
  },

  workload = grit.workload.ddp { model = "gpt2-small", scale = 0.02, compute = "emulated" },

  faults = function(o)
    local command = o.command
    if command == "" then
      command = ("timeout %.3f sh -c 'while :; do :; done'; true"):format(o.length / grit.time "1s")
    end
    local limit = o.length + "500ms"
    local function check(on, after)
      return grit.fault.site_check { on = on, command = command, limit = limit, after = after, every = o.period }
    end
    if o.together then return { check(o.node, 0) } end
    local turns = {}
    for node = 0, o.turns - 1 do turns[#turns + 1] = check(node, limit * node) end
    return turns
  end,

  design = function(o)
    local limit = o.length + "500ms"
    return { pairs = 8, max_pairs = 16, block = limit * (o.together and 1 or o.turns) + "500ms" }
  end,

  expect = function(o) return { slowdown = { at_most = o.accept } } end,
}
