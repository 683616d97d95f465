-- Operating system noise: each core of one node's ranks is taken away for a moment, again and again.
--
--   grit run scenarios/os_noise.lua --set period=100ms --set length=2.5ms
--
-- Ferreira, Bridges and Brightwell (SC'08) took 2.5 % of each core; a synchronous job may lose far more than that. The
-- default here takes 20 %, to be seen on a few busy cores within minutes.
local grit = require "grit"

return grit.scenario {
  name = "os_noise",
  summary = "Cores are taken away for short moments: what does the whole job lose?",

  options = {
    node = { "any", help = "the node with the noise" },
    period = { "25ms", help = "from one moment to the next" },
    length = { "5ms", help = "how long a moment is" },
  },

  workload = grit.workload.ddp { model = "gpt2-small", scale = 0.02, compute = "emulated" },

  faults = function(o) return { grit.fault.os_noise { on = o.node, period = o.period, length = o.length } } end,

  design = { pairs = 8, max_pairs = 16, block = "1.5s" },

  expect = { slowdown = { at_least = "5%" } },
}
