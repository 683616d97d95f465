-- A rank stops and never goes on: does the run end, and does it say which rank the others were waiting for?
--
--   grit run scenarios/hang.lua --set node=2
--
-- Reproduced when a step takes longer than `design.hang`. The agents then say where each rank stands, take the fault
-- off, and end the ranks.
local grit = require "grit"

return grit.scenario {
  name = "hang",
  summary = "A rank stops for good: is the hang seen, and the right rank named?",

  options = {
    node = { "any", help = "the node whose rank stops" },
    limit = { "5s", help = "a step that takes longer is a hang" },
  },

  workload = grit.workload.ddp { model = "gpt2-small", scale = 0.02, compute = "emulated" },

  faults = function(o) return { grit.fault.process_pause { on = o.node, rank = "0", pause = "1h", after = "100ms" } } end,

  -- In steps: a block in time must hold all of a fault.
  design = function(o) return { pairs = 6, block = "20 steps", hang = o.limit } end,

  expect = { outcome = "hang" },
}
