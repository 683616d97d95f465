-- The interrupts of one node's NIC land on the cores that its ranks compute on.
--
--   mpirun ... grit run scenarios/irq_misplacement.lua --set node=1 --set nic=eth2
--
-- Needs a NIC with hardware behind it, and ranks that are bound to some of the cores.
local grit = require "grit"

return grit.scenario {
  name = "irq_misplacement",
  summary = "A NIC's interrupts on the ranks' own cores: what does the whole job lose?",

  options = {
    node = { "any", help = "the node whose interrupts are moved" },
    nic = { "data", help = "the NIC" },
  },

  workload = grit.workload.ddp { model = "gpt2-small", scale = 0.02, compute = "cpu" },

  faults = function(o) return { grit.fault.irq_misplacement { on = o.node, nic = o.nic } } end,

  design = { pairs = 8, max_pairs = 16, block = "3s" },

  expect = { slowdown = { at_least = "2%" } },
}
