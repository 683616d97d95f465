-- A CPU limit that was set too low: each rank of one node gets a share of one core at most.
--
--   grit run scenarios/cpu_throttle.lua --set node=1 --set share=50% --set mechanism=duty_cycle
local grit = require "grit"

return grit.scenario {
  name = "cpu_throttle",
  summary = "The ranks of one node may use a share of a core only: what does the whole job lose?",

  options = {
    node = { "any", help = "the node whose ranks are limited" },
    share = { "10%", help = "of one core, for each rank" },
    mechanism = { "auto", help = "cgroup2, cgroup1 or duty_cycle; auto: the first that works" },
  },

  workload = grit.workload.ddp { model = "gpt2-small", scale = 0.02, compute = "emulated" },

  faults = function(o)
    return { grit.fault.cpu_throttle { on = o.node, share = o.share, period = "20ms", mechanism = o.mechanism } }
  end,

  design = { pairs = 8, max_pairs = 16, block = "1.5s" },

  expect = { slowdown = { at_least = "5%" } },
}
