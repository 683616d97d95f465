-- Other processes on a node hold memory and churn it while a job trains: does a step get slower?
--
--   grit run scenarios/memory_pressure.lua
--   grit run scenarios/memory_pressure.lua --set node=2 --set hold=2GB --set threads=16
--
-- On the local cluster all nodes share one machine, and with it its memory and CPUs. There it takes all of them: what one
-- node's agent runs is one of many groups to the scheduler (sched(7), autogroup).
local grit = require "grit"

return grit.scenario {
  name = "memory_pressure",
  summary = "Processes hold and churn memory on a node while the job trains: what does a step cost?",

  options = {
    node    = { "all", help = "the node whose memory is taken: 2, 1,3, any, all or 25%" },
    hold    = { "250MB", help = "how much is held on each" },
    churn   = { "20GB/s", help = "how much of it is given back and faulted in again" },
    threads = { 4, unit = "count", help = "how many processes do it on each" },
  },

  -- Real matrix products, small enough for a core: they feel what happens to memory and CPUs.
  workload = grit.workload.ddp { model = "gpt2-small", scale = 0.002, compute = "cpu" },

  faults = function(o)
    return { grit.fault.memory_pressure { on = o.node, hold = o.hold, churn = o.churn, threads = o.threads } }
  end,

  design = { pairs = 8, max_pairs = 16, block = "2s" },

  -- Reproduced when the whole 95 % confidence interval of the slowdown lies above 10 %.
  expect = { slowdown = { at_least = "10%" } },
}
