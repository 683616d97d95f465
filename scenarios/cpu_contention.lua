-- A system process that was not pinned: other work on the cores that one node's ranks run on.
--
--   grit run scenarios/cpu_contention.lua --set node=1 --set share=30%
--
-- On the local cluster all nodes share this machine's cores, so the work hits all of them: the slowdown is real, whose
-- it is says nothing.
local grit = require "grit"

return grit.scenario {
  name = "cpu_contention",
  summary = "Other work on the cores of one node's ranks: what does the whole job lose?",

  options = {
    node = { "any", help = "the node whose cores are shared" },
    share = { "100%", help = "of a core, that each process asks for" },
    threads = { "0", unit = "count", help = "how many processes; 0: one for each core" },
  },

  workload = grit.workload.ddp { model = "gpt2-small", scale = 0.02, compute = "emulated" },

  faults = function(o)
    return { grit.fault.cpu_contention { on = o.node, share = o.share, threads = o.threads } }
  end,

  design = { pairs = 8, max_pairs = 16, block = "1.5s" },

  expect = { slowdown = { at_least = "5%" } },
}
