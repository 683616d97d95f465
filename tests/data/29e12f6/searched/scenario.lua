local grit = require "grit"
return grit.scenario {
  name = "searched",
  summary = "From which delay on are steps a quarter longer?",
  options = { delay = { "1ms", unit = "time" } },
  workload = grit.workload.ddp { model = "gpt2-small", scale = 0.002 },
  design = { pairs = 6, block = "100ms", warmup = 2 },
  faults = function(o) return { grit.fault.rank_delay { on = 1, delay = o.delay } } end,
  search = grit.search.threshold { option = "delay", from = "500us", to = "40ms", slowdown = "25%", trials = 3 },
}
