-- One rank dies by SIGKILL, as by the OOM killer: the job does not survive it.
--
--   grit run scenarios/process_kill.lua --allow-destructive --set node=1
--
-- Reproduced when the run ends by the death of a rank; the report says which one, when, and what the others were doing.
local grit = require "grit"

return grit.scenario {
  name = "process_kill",
  summary = "A rank is killed: how does the job end, and what does the report say about it?",

  options = {
    node = { "any", help = "the node whose rank is killed" },
    rank = { "0", help = "which of its ranks, or all" },
  },

  workload = grit.workload.ddp { model = "gpt2-small", scale = 0.02, compute = "emulated" },

  faults = function(o) return { grit.fault.process_kill { on = o.node, rank = o.rank } } end,

  design = { pairs = 6, block = "1s" },

  expect = { outcome = "rank_death" },
}
