-- One node's accelerators run at a lower clock while a job trains, as after a power cap or a thermal alarm.
--
--   grit run scenarios/gpu_throttle.lua                       the seed picks the node
--   grit run scenarios/gpu_throttle.lua --set node=2 --set clock=90%
-- Of real GPUs: mechanism = "clocks" or "power" in the fault, and --allow-gpu-settings (docs/gpu.md).
local grit = require "grit"

return grit.scenario {
  name = "gpu_throttle",
  summary = "One node's accelerators run at a lower clock: what does the whole job lose?",

  options = {
    node = { "any", help = "the node whose accelerators are throttled: 2, 1,3, any, all or 25%" },
    clock = { "60%", help = "the clock under the fault, as a share of the nominal one" },
  },

  -- At this speed most of a step is computing; beside a faster accelerator the gradients' way would hide the throttling.
  workload = grit.workload.ddp { model = "gpt2-small", scale = 0.02, compute = "emulated", peak = "500 GFLOP/s" },

  faults = function(o)
    return { grit.fault.gpu_throttle { on = o.node, clock = o.clock } }
  end,

  design = { pairs = 8, max_pairs = 16, block = "1.5s" },

  expect = function(o)
    return { slowdown = { at_least = "5%" }, culprit = { node = o.node, resource = "compute" } }
  end,
}
