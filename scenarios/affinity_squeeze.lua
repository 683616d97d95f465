-- A wrong binding: all ranks of one node share one CPU.
--
--   mpirun ... grit run scenarios/affinity_squeeze.lua --set node=1 --set cpus=2
--
-- Needs ranks that may run on more than one CPU: several a node, or one that computes in several threads.
local grit = require "grit"

return grit.scenario {
  name = "affinity_squeeze",
  summary = "All ranks of one node share a few CPUs: what does the whole job lose?",

  options = {
    node = { "any", help = "the node whose ranks are squeezed" },
    cpus = { 1, help = "how many CPUs they share" },
  },

  workload = grit.workload.ddp { model = "gpt2-small", scale = 0.02, compute = "cpu" },

  faults = function(o) return { grit.fault.affinity_squeeze { on = o.node, cpus = o.cpus } } end,

  design = { pairs = 8, max_pairs = 16, block = "3s" },

  expect = { slowdown = { at_least = "5%" } },
}
