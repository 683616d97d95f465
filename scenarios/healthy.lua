-- No fault at all: baseline against baseline. Shows that the cluster is steady enough for a verdict, and that grit does
-- not see slowdowns where there are none.
--
--   grit run scenarios/healthy.lua
local grit = require "grit"

return grit.scenario {
  name = "healthy",
  summary = "Nothing is injected: both blocks of a pair are alike, so there must be no slowdown",

  workload = grit.workload.ddp { model = "gpt2-small", scale = 0.02, compute = "emulated" },

  design = { pairs = 8, max_pairs = 16, block = "1500ms" },

  checks = { grit.check.link_up {} },

  -- Reproduced when the whole confidence interval lies within plus and minus 10 %.
  expect = { slowdown = { at_most = "10%" } },
}
