-- The routers of a mixture of experts send more tokens to one expert of each layer than they should, as when their
-- load-balancing loss fails. Every rank waits for the one with that expert, another one in each layer: no node is slow.
--
--   grit run imbalance -n 4 --ep 4 --share 1
local grit = require "grit"

return grit.scenario {
  name = "imbalance",
  summary = "Routers prefer one expert of each layer: what does the whole job lose?",

  options = {
    share = { "200%", help = "by which the preferred expert gets more tokens than its fair share" },
    ep = { 2, help = "how many ranks share the experts; divides the number of ranks" },
  },

  -- 8 experts, of which each token goes to 2: the preferred one has all tokens at share = 300%. At this speed most of a
  -- step is computing.
  workload = grit.workload.moe { model = "mixtral-8x7b", scale = 2e-5, peak = "10 GFLOP/s" },
  mesh = function(o) return { ep = o.ep } end,

  faults = function(o) return { grit.fault.imbalance { on = "all", share = o.share } } end,

  design = { pairs = 8, max_pairs = 16, block = "2s" },

  expect = { slowdown = { at_least = "5%" }, culprit = { resource = "router" } },
}
