-- Copies between host and GPUs of one node while a job trains on them, as a neighbour's data loader or checkpoints make.
--
--   grit run scenarios/pcie_contention.lua                              both directions, as fast as they go
--   grit run scenarios/pcie_contention.lua --set direction=to_device --set share=50%
--
-- Needs GPUs (docs/gpu.md).
local grit = require "grit"

return grit.scenario {
  name = "pcie_contention",
  summary = "Foreign copies between host and GPUs of one node while the job trains: what does the whole job lose?",

  options = {
    node      = { "any", help = "the node whose GPUs' links are loaded: 2, 1,3, any, all or 25%" },
    direction = { "both", help = "to_device, to_host or both" },
    share     = { "100%", help = "of what copies in one direction come to alone" },
  },

  workload = grit.workload.ddp { model = "gpt2-small", compute = "cuda" },

  faults = function(o)
    return { grit.fault.pcie_contention { on = o.node, direction = o.direction, share = o.share } }
  end,

  design = { pairs = 8, max_pairs = 16, block = "2s" },

  expect = { slowdown = { at_least = "5%" } },
}
