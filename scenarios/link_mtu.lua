-- The data NIC of a node has a smaller MTU than the others: does the job notice, and what does it cost?
--
--   grit run scenarios/link_mtu.lua                     1280 bytes on a node that the seed picks
--   grit run scenarios/link_mtu.lua --set mtu=576      another size (under 1280: no IPv6)
local grit = require "grit"

return grit.scenario {
  name = "link_mtu",
  summary = "The data NIC of one node has a smaller MTU than the others: does the job notice, and what does it cost?",

  options = {
    node = { "any", help = "the node with the small MTU: 2, 1,3, any, all or 25%" },
    mtu  = { "1280", unit = "size", help = "its MTU in bytes" },
  },

  workload = grit.workload.ddp { model = "gpt2-small", scale = 0.02, compute = "emulated" },

  faults = function(o)
    return { grit.fault.link_mtu { on = o.node, nic = "data", mtu = o.mtu } }
  end,

  design = { pairs = 8, max_pairs = 16, block = "2s" },

  checks = { grit.check.link_up {} },

  -- Whole TCP segments pass a veth whatever its MTU, so on the local cluster small packets cost next to nothing.
  expect = { slowdown = { at_most = "25%" } },
}
