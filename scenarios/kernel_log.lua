-- A line in a node's kernel log that looks like a failing device: a job that trains should not care, its monitoring should.
--
--   sudo grit run scenarios/kernel_log.lua
--   sudo grit run scenarios/kernel_log.lua --set text="mlx5_core 0000:00:00.0: health compromised"
local grit = require "grit"

return grit.scenario {
  name = "kernel_log",
  summary = "A line about a failing device in a node's kernel log: who notices, and does a step get slower?",

  options = {
    node = { "any", help = "the node whose log it is: 2, 1,3, any, all or 25%" },
    text = { "NVRM: Xid (PCI:0000:00:00): 79, GPU has fallen off the bus.", help = "the line" },
  },

  workload = grit.workload.ddp { model = "gpt2-small", scale = 0.02, compute = "emulated" },

  faults = function(o)
    return { grit.fault.kernel_log { on = o.node, text = o.text, level = "err" } }
  end,

  design = { pairs = 6, block = "1s" },

  -- Met when the whole 95 % confidence interval of the slowdown lies within plus and minus 10 %.
  expect = { slowdown = { at_most = "10%" } },
}
