-- Other processes on a node fill the memory bus while a job trains: does a step get slower?
--
--   grit run scenarios/memory_bandwidth.lua
--   grit run scenarios/memory_bandwidth.lua --set rate=4GB/s --set threads=8
--
-- On the local cluster all nodes share one machine: the writers take CPU time from the job too, on whatever node.
local grit = require "grit"

return grit.scenario {
  name = "memory_bandwidth",
  summary = "Foreign writes fill the memory bus of a node while the job trains: what does a step cost?",

  options = {
    node    = { "any", help = "the node whose memory bus is filled: 2, 1,3, any, all or 25%" },
    rate    = { "0", unit = "bit rate", help = "how much is written in all; 0: as fast as it goes" },
    threads = { 4, unit = "count", help = "how many processes write" },
  },

  workload = grit.workload.ddp { model = "gpt2-small", scale = 0.02, compute = "emulated" },

  faults = function(o)
    return { grit.fault.memory_bandwidth { on = o.node, rate = o.rate, threads = o.threads } }
  end,

  design = { pairs = 8, max_pairs = 16, block = "2s" },

  -- Reproduced when the whole 95 % confidence interval of the slowdown lies above 10 %.
  expect = { slowdown = { at_least = "10%" } },
}
