-- Silent data corruption: in some steps a bit of one rank's gradients flips before they are reduced. Nothing fails, and
-- no step is slower: is it seen, and is the right rank named?
--
--   grit run bit_flip --node 2 --bit any --every_steps 5
--
-- Reproduced when values are found wrong and all that is known of them leaves one rank of that node as their sender. In
-- blocks without the fault wrong values end the run, as they always do.
local grit = require "grit"

return grit.scenario {
  name = "bit_flip",
  summary = "A bit of one rank's gradients flips now and then: is the rank named?",

  options = {
    node = { "any", help = "the node whose first rank sends wrong data" },
    bit = { "mantissa", help = "which bit: a number from 0, or sign, exponent, mantissa, any" },
    every_steps = { "2", unit = "count", help = "in every so many-th step" },
  },

  workload = grit.workload.ddp { model = "gpt2-small", scale = 0.02, compute = "emulated" },

  faults = function(o) return { grit.fault.bit_flip { on = o.node, bit = o.bit, every_steps = o.every_steps } } end,

  design = { pairs = 6, block = "1s" },

  expect = function(o) return { wrong_values = { from = o.node } } end,
}
