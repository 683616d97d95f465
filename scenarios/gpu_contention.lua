-- Another process works on one node's GPUs while a job trains on them, as one that was left behind does.
--
--   grit run scenarios/gpu_contention.lua                              half of the multiprocessors of the node's GPUs
--   grit run scenarios/gpu_contention.lua --set resource=hbm --set share=30%
--   grit run scenarios/gpu_contention.lua --set node=2 --set gpu=3
--
-- Needs GPUs, and sm MPS (docs/gpu.md). The nodes of a local cluster share the machine's: there every node's job is slowed.
local grit = require "grit"

return grit.scenario {
  name = "gpu_contention",
  summary = "Another process works on one node's GPUs while the job trains: what does the whole job lose?",

  options = {
    node     = { "any", help = "the node whose GPUs are loaded: 2, 1,3, any, all or 25%" },
    resource = { "sm", help = "sm (multiprocessors), time, hbm (memory bandwidth) or nvlink" },
    share    = { "50%", help = "how much of it" },
    gpu      = { "all", help = "which of the node's GPUs: all, a number, a PCI address or a UUID" },
  },

  workload = grit.workload.ddp { model = "gpt2-small", compute = "cuda" },

  faults = function(o)
    return { grit.fault.gpu_contention { on = o.node, resource = o.resource, share = o.share, gpu = o.gpu } }
  end,

  design = { pairs = 8, max_pairs = 16, block = "2s" },

  expect = { slowdown = { at_least = "5%" } },
}
