-- "My job seems slower than yesterday": no fault, only step times, to be held against those of another day. Two runs of the
-- same thing differ by themselves, so measure a few times while all is well, and again when it is not:
--
--   for i in 1 2 3 4; do grit run scenarios/reports/slower_than_yesterday.lua --out runs/monday-$i; done
--   for i in 1 2 3 4; do grit run scenarios/reports/slower_than_yesterday.lua --out runs/tuesday-$i; done
--   grit compare --old runs/monday-* --new runs/tuesday-*
--
-- One run today against the old ones at once:
--
--   grit run scenarios/reports/slower_than_yesterday.lua --baseline runs/monday-1 --baseline runs/monday-2
local grit = require "grit"

return grit.scenario {
  name = "slower_than_yesterday",
  summary = "No fault: what does a step of this job take today, as a baseline for another day?",

  options = {
    model = { "gpt2-small", help = "the model that the job trains" },
    scale = { "0.02", unit = "number", help = "the share of its size" },
    compute = { "emulated", help = "where it computes: emulated, or cpu" },
    pairs = { "10", unit = "count", help = "twice as many blocks are measured" },
    block = { "1s", help = "how long a block is" },
  },

  workload = function(o)
    return grit.workload.ddp { model = o.model, scale = o.scale, compute = o.compute }
  end,

  design = function(o)
    return { pairs = o.pairs, block = o.block }
  end,

  checks = { grit.check.link_up {} },

  -- Within this run nothing may differ; whether it is slower than another run is what compare says.
  expect = { slowdown = { at_most = "10%" } },
}
