-- Another process holds most of what is free of one node's GPUs while a job trains on them: does it still run, and as fast?
--
--   grit run scenarios/gpu_memory_pressure.lua                 10 % of each GPU's memory stays free
--   grit run scenarios/gpu_memory_pressure.lua --set free_share=50%
--
-- Needs GPUs (docs/gpu.md). A job that has all its memory when the fault comes loses nothing: that is what it expects.
local grit = require "grit"

return grit.scenario {
  name = "gpu_memory_pressure",
  summary = "Little of one node's GPUs' memory stays free while the job trains: does it notice?",

  options = {
    node       = { "any", help = "the node whose GPUs' memory is held: 2, 1,3, any, all or 25%" },
    free_share = { "10%", help = "how much of each GPU's memory stays free: 5% at least" },
  },

  workload = grit.workload.ddp { model = "gpt2-small", compute = "cuda" },

  faults = function(o)
    return { grit.fault.gpu_memory_pressure { on = o.node, free_share = o.free_share } }
  end,

  design = { pairs = 8, max_pairs = 16, block = "2s" },

  expect = { slowdown = { at_most = "2%" } },
}
