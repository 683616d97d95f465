-- Somebody else keeps the disk busy that a job saves its checkpoints to: what does a step cost?
--
--   grit run scenarios/disk_contention.lua
--   grit run scenarios/disk_contention.lua --set directory=/scratch --set mechanism=fsync --set rate=50MB/s
--
-- The directory must lie on the disk that the checkpoints go to. On the local cluster all nodes share one machine.
local grit = require "grit"

return grit.scenario {
  name = "disk_contention",
  summary = "Foreign writes keep a node's disk busy while the job saves checkpoints: what does a step cost?",

  options = {
    node      = { "any", help = "the node whose disk is busy: 2, 1,3, any, all or 25%" },
    directory = { "/var/tmp", help = "a directory on the disk" },
    mechanism = { "auto", choices = { "auto", "direct", "fsync" }, help = "past the page cache, or through it and flushed" },
    rate      = { "0", unit = "bit rate", help = "how much is written in all; 0: as fast as it goes" },
    threads   = { 4, unit = "count", help = "how many processes write" },
  },

  -- A rank saves 4 MB every 5 steps and waits until they are on the disk.
  workload = grit.workload.ddp {
    model = "gpt2-small", scale = 0.02, compute = "emulated", checkpoint_every = 5, checkpoint = "4MB",
  },

  faults = function(o)
    return {
      grit.fault.disk_contention {
        on = o.node, directory = o.directory, mechanism = o.mechanism, rate = o.rate, threads = o.threads,
      },
    }
  end,

  design = { pairs = 8, max_pairs = 16, block = "2s" },

  -- Reproduced when the whole 95 % confidence interval of the slowdown lies above 10 %.
  expect = { slowdown = { at_least = "10%" } },
}
