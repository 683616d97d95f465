-- All ranks of one node stand still for a moment (SIGSTOP), as on a host that froze or was suspended.
--
--   grit run scenarios/process_pause.lua --set node=1 --set pause=2s
local grit = require "grit"

return grit.scenario {
  name = "process_pause",
  summary = "The ranks of one node stand still for a moment: what does the whole job lose?",

  options = {
    node = { "any", help = "the node whose ranks are stopped" },
    pause = { "500ms", help = "for how long" },
  },

  workload = grit.workload.ddp { model = "gpt2-small", scale = 0.02, compute = "emulated" },

  faults = function(o)
    return { grit.fault.process_pause { on = o.node, pause = o.pause, after = "200ms" } }
  end,

  design = { pairs = 8, max_pairs = 16, block = "1.5s" },

  expect = { slowdown = { at_least = "5%" } },
}
