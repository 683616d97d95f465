-- Every node is loaded at the same time while a job trains: does one of them fall behind that keeps up without the load?
--
--   grit run training_under_stress --load memory
--   grit run training_under_stress --load flood --pairs 12
--
-- `grit burnin --config full` runs it on a few nodes at a time and compares how long each of them works by itself.
-- On the local cluster all nodes share this machine: what one of them does costs the others, too.
local grit = require "grit"

local loads = {
  flood = function(o) return grit.fault.ethernet_flood { on = "all", to = "all", streams = 1 } end,
  memory = function(o) return grit.fault.memory_bandwidth { on = "all", threads = o.threads } end,
  cpu = function(o) return grit.fault.cpu_contention { on = "all" } end,
}

return grit.scenario {
  name = "training_under_stress",
  summary = "All nodes are loaded while the job trains: what does a step cost, and does one node lose more than the others?",

  options = {
    load    = { "memory", choices = { "flood", "memory", "cpu" }, help = "foreign traffic, writes to memory, or work on the ranks' cores" },
    threads = { 2, unit = "count", help = "how many processes write on each node (memory)" },
    compute = { "cpu", choices = { "cpu", "emulated" }, help = "real matrix products feel the load; a timer does not" },
    pairs   = { 6, unit = "count", help = "pairs of a block without and one with the load" },
  },

  workload = function(o) return grit.workload.ddp { model = "gpt2-small", scale = 0.002, compute = o.compute } end,

  faults = function(o) return { loads[o.load](o) } end,

  design = function(o) return { pairs = o.pairs, block = "2s" } end,

  -- Reproduced when the whole 95 % confidence interval of the slowdown lies above 5 %.
  expect = { slowdown = { at_least = "5%" } },
}
