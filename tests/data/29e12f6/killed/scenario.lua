local grit = require "grit"
return grit.scenario {
  name = "killed",
  summary = "A rank is killed",
  workload = grit.workload.ddp { model = "gpt2-small", scale = 0.002 },
  faults = { grit.fault.process_kill { on = 1 } },
  design = { pairs = 6, block = "100ms", warmup = 2 },
  expect = { outcome = "rank_death" },
}
