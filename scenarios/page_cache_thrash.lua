-- Other processes on a node stream data through the page cache, to the disk and back, while a job trains and saves
-- checkpoints: what does a step cost?
--
--   grit run scenarios/page_cache_thrash.lua
--   grit run scenarios/page_cache_thrash.lua --set directory=/scratch --set rate=100MB/s
--
-- The directory must lie on the disk that the checkpoints go to. On the local cluster all nodes share one machine.
local grit = require "grit"

return grit.scenario {
  name = "page_cache_thrash",
  summary = "Data that never stay cached stream through a node's disk while the job trains: what does a step cost?",

  options = {
    node      = { "any", help = "the node on which it happens: 2, 1,3, any, all or 25%" },
    directory = { "/var/tmp", help = "a directory on the disk" },
    rate      = { "0", unit = "bit rate", help = "how much is written and read back; 0: as fast as it goes" },
    threads   = { 2, unit = "count", help = "how many processes do it" },
  },

  -- A rank saves 4 MB every 5 steps and waits until they are on the disk.
  workload = grit.workload.ddp {
    model = "gpt2-small", scale = 0.02, compute = "emulated", checkpoint_every = 5, checkpoint = "4MB",
  },

  faults = function(o)
    return {
      grit.fault.page_cache_thrash { on = o.node, directory = o.directory, rate = o.rate, threads = o.threads },
    }
  end,

  design = { pairs = 8, max_pairs = 16, block = "2s" },

  -- Reproduced when the whole 95 % confidence interval of the slowdown lies above 10 %.
  expect = { slowdown = { at_least = "10%" } },
}
