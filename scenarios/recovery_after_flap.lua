-- A data NIC goes down and comes back: does its bandwidth come back as well? Some links train anew at a lower speed or
-- width, or lose packets from then on.
--
--   grit run recovery_after_flap --node 2
--
-- `grit burnin --config full` runs it on two nodes at a time, both of which flap, and compares steps from 5 s after a flap on
-- with those before the first one.
local grit = require "grit"

return grit.scenario {
  name = "recovery_after_flap",
  summary = "A data NIC goes down and up while the job trains: are steps as fast as before afterwards?",

  options = {
    node  = { "any", help = "the node whose NIC flaps: 2, 1,3, any, all or 25%" },
    down  = { "1s", help = "how long the link stays down" },
    pairs = { 6, unit = "count", help = "how often it flaps" },
  },

  -- Hardly any compute, and nothing of the communication hidden behind it: a step takes as long as the network needs.
  workload = grit.workload.ddp { model = "gpt2-small", scale = 0.05, compute = "emulated", peak = "100TFLOP/s", overlap = false },

  faults = function(o)
    return { grit.fault.link_flap { on = o.node, nic = "data", down = o.down, after = "500ms" } }
  end,

  -- After every block with a flap 8 s without one, of which the first 5 s may be spent on the way back.
  design = function(o) return { pairs = o.pairs, block = o.down + "1500ms", recovery = "8s", warmup = 40 } end,

  -- Reproduced when flaps cost something, and half of the time or more steps are as before within 5 s.
  expect = { slowdown = { at_least = "5%" }, recovers = { within = "5s" } },
}
