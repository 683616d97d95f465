-- Somebody else's traffic fills a data NIC while a job trains: what does it cost?
--
--   grit run scenarios/ethernet_flood.lua                                the seed picks the sender, all others receive
--   grit run scenarios/ethernet_flood.lua --set from=1,2,3 --set to=0    incast
--   grit run scenarios/ethernet_flood.lua --set from=all --set to=all --set protocol=udp --set rate=5Gbit/s
--
-- On the local cluster all nodes share one machine: the flood takes CPU time from the job too, which a real NIC would not.
local grit = require "grit"

return grit.scenario {
  name = "ethernet_flood",
  summary = "Foreign traffic on the data network while the job trains: what does a step cost?",

  options = {
    from     = { "any", help = "the nodes that send: 2, 1,3, any, all or 25%" },
    to       = { "others", help = "the nodes that receive: others, any (one of them), all, or 1,3" },
    protocol = { "tcp", choices = { "tcp", "udp" }, help = "how it is sent" },
    rate     = { "0", unit = "bit rate", help = "what each sender sends in all; 0: as fast as it goes" },
  },

  -- Synchronized data-parallel training. The accelerator is emulated by a timer; the gradients really cross the network.
  workload = grit.workload.ddp { model = "gpt2-small", scale = 0.02, compute = "emulated" },

  faults = function(o)
    return { grit.fault.ethernet_flood { on = o.from, to = o.to, protocol = o.protocol, rate = o.rate } }
  end,

  -- 8 pairs of a baseline and a fault block, in random order.
  design = { pairs = 8, max_pairs = 16, block = "2s" },

  -- Reproduced when the whole 95 % confidence interval of the slowdown lies above 10 %.
  expect = { slowdown = { at_least = "10%" } },
}
