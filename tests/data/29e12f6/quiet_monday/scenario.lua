local grit = require "grit"
return grit.scenario {
  name = "quiet",
  summary = "Nothing is injected",
  workload = grit.workload.ddp { model = "gpt2-small", scale = 0.002 },
  design = { pairs = 8, block = "100ms", warmup = 2 },
  checks = { grit.check.link_up {} },
  expect = { slowdown = { at_most = "50%" } },
}
