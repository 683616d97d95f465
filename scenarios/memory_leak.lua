-- A process on a node leaks memory while a job trains: as long as there is enough, it should cost nothing.
--
--   grit run scenarios/memory_leak.lua
--   grit run scenarios/memory_leak.lua --set rate=1GB/s --set limit=20GB      up to the floor of free memory
local grit = require "grit"

return grit.scenario {
  name = "memory_leak",
  summary = "A process on a node leaks memory while the job trains: does a step get slower before memory has run out?",

  options = {
    node  = { "any", help = "the node on which it leaks: 2, 1,3, any, all or 25%" },
    rate  = { "64MB/s", help = "how fast it grows" },
    limit = { "1GB", help = "where it stops" },
  },

  workload = grit.workload.ddp { model = "gpt2-small", scale = 0.02, compute = "emulated" },

  faults = function(o)
    return { grit.fault.memory_leak { on = o.node, rate = o.rate, limit = o.limit } }
  end,

  design = { pairs = 8, max_pairs = 16, block = "2s" },

  -- Met when the whole 95 % confidence interval of the slowdown lies within plus and minus 10 %.
  expect = { slowdown = { at_most = "10%" } },
}
