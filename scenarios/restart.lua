-- A rank dies, and the job starts again from its last checkpoint: how long is that, and what does it cost?
--
--   grit run scenarios/restart.lua --allow-destructive --set node=1 --set every=10
--
-- Reproduced when the death was told, the job was back where it had been and the goodput was as expected. What is lost
-- grows with the steps from one checkpoint to the next (`every`); what a checkpoint costs grows as they become fewer.
local grit = require "grit"

return grit.scenario {
  name = "restart",
  summary = "A rank is killed: how long until the job is back where it was, and how much of its time counts?",

  options = {
    node = { "any", help = "the node whose rank is killed" },
    every = { 10, unit = "count", help = "steps from one checkpoint to the next", min = 1 },
    at = { 25, unit = "count", help = "the step of the fault block in which it is killed" },
    back = { "60s", help = "within this the job must be back where it was" },
    goodput = { "10%", help = "the share of the time that must count" },
  },

  workload = function(o)
    return grit.workload.ddp { model = "gpt2-small", scale = 0.01, compute = "emulated", checkpoint_every = o.every }
  end,

  faults = function(o) return { grit.fault.process_kill { on = o.node, at_step = o.at } } end,

  design = { block = "60 steps", restarts = 1 },

  expect = function(o)
    return { restart = { detected_within = "10s", back_within = o.back, goodput_at_least = o.goodput } }
  end,
}
