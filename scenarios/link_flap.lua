-- A data NIC goes down and comes back while a job trains: what does it cost?
--
--   grit run link_flap                          the seed picks the node
--   grit run link_flap --node 2 --down 300ms
--   grit plan link_flap                         says what would be done, does nothing
local grit = require "grit"

return grit.scenario {
  name = "link_flap",
  summary = "A data NIC goes down and up while the job trains: what does a step cost?",

  -- What --node and --down can change. "1s" is a time, so that anything else is an error before anything starts.
  options = {
    node = { "any", help = "the node whose NIC flaps: 2, 1,3, any, all or 25%" },
    down = { "1s", help = "how long the link stays down" },
  },

  -- Synchronized data-parallel training. The accelerator is emulated by a timer; the gradients really cross the network.
  workload = grit.workload.ddp { model = "gpt2-small", scale = 0.02, compute = "emulated" },

  -- Half a second after the start of every fault block a data NIC of the node goes down.
  faults = function(o)
    return { grit.fault.link_flap { on = o.node, nic = "data", down = o.down, after = "500ms" } }
  end,

  -- 8 pairs of a baseline and a fault block, in random order. A block has to outlast the flap. The link test finds whose
  -- links they are that become slow.
  design = { pairs = 8, max_pairs = 16, block = "2.5s", link_test = true },

  checks = { grit.check.link_up {} },

  -- Reproduced when the whole 95 % confidence interval of the slowdown lies above 10 %.
  -- And the analysis must name the node by itself, from what the ranks and links did.
  expect = function(o)
    return { slowdown = { at_least = "10%" }, culprit = { node = o.node, resource = "network" } }
  end,
}
