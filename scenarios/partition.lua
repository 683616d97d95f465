-- One node is cut off from the others for a moment: does the job live, and what does it cost?
--
--   grit run scenarios/partition.lua                       the seed picks the node
--   grit run scenarios/partition.lua --set node=0,1        cuts 0 and 1 off from the rest
local grit = require "grit"

return grit.scenario {
  name = "partition",
  summary = "Nodes cannot reach each other over the data network: what does a step cost?",
  options = {
    node = { "any", help = "the nodes on one side: 2, 1,3, any or 25%" },
  },
  workload = grit.workload.ddp { model = "gpt2-small", scale = 0.02, compute = "emulated" },
  faults = function(o) return { grit.fault.partition { on = o.node, from = "others" } } end,
  design = { pairs = 8, max_pairs = 16, block = "2.5s" },
  checks = { grit.check.link_up {} },
  expect = { slowdown = { at_least = "10%" } },
}
