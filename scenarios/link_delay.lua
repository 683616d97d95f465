-- What a node sends arrives later than what the others send, while a job trains: how much does a step lose?
--
--   grit run scenarios/link_delay.lua                                    5 ms on a node that the seed picks
--   grit run scenarios/link_delay.lua --set delay=20ms --set jitter=5ms
local grit = require "grit"

return grit.scenario {
  name = "link_delay",
  summary = "Packets of one node's data NIC arrive later, by a fixed or a random time: how much does a step lose?",

  options = {
    node   = { "any", help = "the node whose packets are late: 2, 1,3, any, all or 25%" },
    delay  = { "5ms", help = "how much later" },
    jitter = { "0", unit = "time", help = "standard deviation of a normally distributed part of it" },
  },

  workload = grit.workload.ddp { model = "gpt2-small", scale = 0.02, compute = "emulated" },

  faults = function(o)
    return { grit.fault.link_delay { on = o.node, nic = "data", delay = o.delay, jitter = o.jitter } }
  end,

  design = { pairs = 8, max_pairs = 16, block = "2s" },

  checks = { grit.check.link_up {} },

  expect = { slowdown = { at_least = "10%" } },
}
