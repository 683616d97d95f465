-- A data NIC goes down for longer than a flap while a job trains: does the job live, how long does it stand still?
--
--   grit run scenarios/link_down.lua                the seed picks the node
--   grit plan scenarios/link_down.lua               says what would be done, does nothing
local grit = require "grit"

return grit.scenario {
  name = "link_down",
  summary = "A data NIC is down for a while as the job trains: how long does training stand still?",

  options = {
    node = { "any", help = "the node whose NIC goes down: 2, 1,3, any, all or 25%" },
    lasts = { "1.5s", help = "how long it is down; 0: until the lease takes it off, long after the block" },
  },

  workload = grit.workload.ddp { model = "gpt2-small", scale = 0.02, compute = "emulated" },

  faults = function(o)
    return { grit.fault.link_down { on = o.node, nic = "data", after = "300ms", lasts = o.lasts } }
  end,

  design = { pairs = 8, max_pairs = 16, block = "2.5s" },

  checks = { grit.check.link_up {} },

  expect = { slowdown = { at_least = "10%" } },
}
