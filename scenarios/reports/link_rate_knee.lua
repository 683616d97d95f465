-- A data NIC sends no faster than some rate, and nobody knows which: from how much other traffic on do steps slow down?
--
--   grit run scenarios/reports/link_rate_knee.lua --set limit=420Mbit/s
--
-- The search does not see `limit`. It floods the NIC at one rate after another; the job's own traffic is small, so steps
-- slow down where the flood fills the link and its packets begin to wait in front of it, and the job's behind them. UDP, since a
-- TCP sender holds itself back. The flood's rate is payload: a packet carries 1472 bytes of 1514 on the link, so the knee is
-- expected at 0.972 times the limit, less what the job sends. tests/bench/threshold.py compares.
local grit = require "grit"

return grit.scenario {
  name = "link_rate_knee",
  summary = "A data NIC is limited to an unknown rate: from how much other traffic on do steps slow down?",

  options = {
    node  = { "0", help = "the node with the limited NIC" },
    limit = { "400Mbit/s", help = "what its NIC may send; unknown to the search" },
    flood = { "100Mbit/s", help = "the other traffic; the search varies it" },
    from  = { "50Mbit/s", help = "the least flood" },
    to    = { "1600Mbit/s", help = "the greatest" },
    trials = { "12", unit = "count", help = "at most so many trials" },
    block = { "1s", help = "how long a block is" },
  },

  -- A small model on a slow accelerator: steps of some 25 ms that hardly use the network.
  workload = grit.workload.ddp { model = "gpt2-small", scale = 0.0002, compute = "emulated", peak = "12GFLOP/s" },

  faults = function(o)
    return {
      grit.fault.link_rate { on = o.node, nic = "data", rate = o.limit, latency = "100ms" },
      grit.fault.ethernet_flood { on = o.node, rate = o.flood, protocol = "udp", streams = 8 },
    }
  end,

  design = function(o) return { pairs = 6, block = o.block, settle = 2 } end,

  search = function(o)
    return grit.search.threshold {
      option = "flood", from = o.from, to = o.to, slowdown = "30%", resolution = "10%", trials = o.trials,
    }
  end,
}
