-- A node whose data loader looks slow, and whose disk is fine: everything that its ranks have on the host, the processes
-- that load their data and the threads that serve their network, shares a few CPUs, as after a wrong binding or in a
-- container with too few of them.
--
--   mpirun ... grit run scenarios/squeezed_loader.lua --set node=1 --set cpus=2
--
-- Steps wait in the input phase, on that node alone. Whoever looks at that blames storage; the analysis must say compute,
-- since the loaders wait for CPUs and not for the disk.
local grit = require "grit"

return grit.scenario {
  name = "squeezed_loader",
  summary = "Data loaders, helper threads and ranks of one node share a few CPUs: is the disk left in peace?",

  options = {
    node    = { "any", help = "the node that is squeezed" },
    cpus    = { 1, help = "how many CPUs it is left" },
    workers = { 4, unit = "count", help = "processes that load the data of a rank" },
    passes  = { 600, unit = "count", help = "host work for each byte that is read" },
    direct  = { false, help = "read past the page cache" },
  },

  workload = function(o)
    return grit.workload.ddp {
      model = "gpt2-small", scale = 0.02, compute = "emulated", helper_threads = 1,
      input = "files", input_workers = o.workers, input_bytes = "1MiB", input_passes = o.passes, input_direct = o.direct,
    }
  end,

  faults = function(o) return { grit.fault.affinity_squeeze { on = o.node, cpus = o.cpus } } end,

  design = { pairs = 8, max_pairs = 16, block = "3s" },

  expect = function(o)
    return { slowdown = { at_least = "5%" }, culprit = { node = o.node, resource = "compute" } }
  end,
}
