-- One node's wall clock is off, as after a lost NTP server. Training measures nothing by it, so nothing should slow down;
-- what looks at file times, certificates or leases is yours to watch with checks.
--
--   mpirun ... grit run scenarios/clock_skew.lua --set node=1 --set offset=2s
--
-- Needs real nodes: on the local cluster the clock is this machine's.
local grit = require "grit"

return grit.scenario {
  name = "clock_skew",
  summary = "One node's wall clock is off: does the job notice?",

  options = {
    node = { "any", help = "the node whose clock is off" },
    offset = { "500ms", help = "by how much" },
    direction = { "ahead", choices = { "ahead", "behind" }, help = "of the others" },
  },

  workload = grit.workload.ddp { model = "gpt2-small", scale = 0.02, compute = "emulated" },

  faults = function(o)
    return { grit.fault.clock_skew { on = o.node, offset = o.offset, direction = o.direction } }
  end,

  design = { pairs = 8, max_pairs = 16, block = "1.5s" },

  expect = { slowdown = { at_most = "5%" } },
}
