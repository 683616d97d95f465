-- The data NIC of a node is slower than the others' while a job trains: how much of it does the whole job feel?
--
--   grit run scenarios/link_rate.lua                    100 Mbit/s on a node that the seed picks
--   grit run scenarios/link_rate.lua --set rate=1Gbit/s --set node=0
local grit = require "grit"

return grit.scenario {
  name = "link_rate",
  summary = "The data NIC of one node sends no faster than a given rate: how much of it does the whole job feel?",

  options = {
    node = { "any", help = "the node with the slow NIC: 2, 1,3, any, all or 25%" },
    rate = { "100Mbit/s", help = "what the NIC may send" },
  },

  workload = grit.workload.ddp { model = "gpt2-small", scale = 0.02, compute = "emulated" },

  faults = function(o)
    return { grit.fault.link_rate { on = o.node, nic = "data", rate = o.rate } }
  end,

  design = { pairs = 8, max_pairs = 16, block = "2s" },

  checks = { grit.check.link_up {} },

  expect = { slowdown = { at_least = "10%" } },
}
