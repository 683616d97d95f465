-- A synthetic straggler: one rank waits in its steps. What grit must see and blame, at any size you choose.
--
--   grit run scenarios/rank_delay.lua --set delay=5ms --set every=10
local grit = require "grit"

return grit.scenario {
  name = "rank_delay",
  summary = "One rank is late in every step: what does the whole job lose?",

  options = {
    node = { "any", help = "the node whose first rank is late" },
    delay = { "20ms", help = "how long it waits in a step" },
    every = { "1", unit = "count", help = "in every so many-th step only" },
  },

  workload = grit.workload.ddp { model = "gpt2-small", scale = 0.02, compute = "emulated" },

  faults = function(o)
    return { grit.fault.rank_delay { on = o.node, delay = o.delay, every_steps = o.every } }
  end,

  design = { pairs = 8, max_pairs = 16, block = "1.5s" },

  expect = function(o)
    return { slowdown = { at_least = "5%" }, culprit = { node = o.node, resource = "compute" } }
  end,
}
