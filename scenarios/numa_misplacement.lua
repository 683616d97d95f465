-- A wrong binding: the ranks of one node run on another NUMA node than the one that holds their memory.
--
--   mpirun ... grit run scenarios/numa_misplacement.lua --set node=1
--
-- Needs a machine with two NUMA nodes or more.
local grit = require "grit"

return grit.scenario {
  name = "numa_misplacement",
  summary = "The ranks of one node run far from their memory: what does the whole job lose?",

  options = {
    node = { "any", help = "the node whose ranks are moved" },
    rank = { "all", help = "which of its ranks" },
  },

  workload = grit.workload.ddp { model = "gpt2-small", scale = 0.02, compute = "cpu" },

  faults = function(o) return { grit.fault.numa_misplacement { on = o.node, rank = o.rank } } end,

  design = { pairs = 8, max_pairs = 16, block = "3s" },

  expect = { slowdown = { at_least = "5%" } },
}
