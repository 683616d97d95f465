-- A node's data NIC loses packets, one by one or in bursts, while a job trains: what do the retransmissions cost?
--
--   grit run scenarios/link_loss.lua                                     2 % of what one node sends
--   grit run scenarios/link_loss.lua --set loss=1% --set direction=both
--   grit run scenarios/link_loss.lua --set burst=10                      bursts of 10 packets (needs netem)
local grit = require "grit"

return grit.scenario {
  name = "link_loss",
  summary = "One node's data NIC loses packets, one by one or in bursts: what do the retransmissions cost?",

  options = {
    node      = { "any", help = "the node that loses packets: 2, 1,3, any, all or 25%" },
    loss      = { "2%", help = "share of the packets that are lost" },
    burst     = { 1, help = "mean number of packets lost in a row" },
    direction = { "out", help = "out, in or both, as seen from the node" },
  },

  workload = grit.workload.ddp { model = "gpt2-small", scale = 0.02, compute = "emulated" },

  faults = function(o)
    return { grit.fault.link_loss { on = o.node, nic = "data", loss = o.loss, burst = o.burst, direction = o.direction } }
  end,

  design = { pairs = 8, max_pairs = 16, block = "2s" },

  checks = { grit.check.link_up {} },

  expect = { slowdown = { at_least = "10%" } },
}
