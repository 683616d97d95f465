-- "Above 30 Gbit/s on the Ethernet NIC I think the kernel panics": is it so, and from where on?
--
--   mpirun -n 8 --map-by node grit run scenarios/reports/ethernet_above_30gbps.lua --set node=3
--   grit run scenarios/reports/ethernet_above_30gbps.lua -n 2 --set from=200Mbit/s --set to=2Gbit/s --set steps=5
--
-- The node floods its data NIC at one rate after another, upwards only, while the job trains. It ends where a node, a rank or a
-- check fails, or at `to`, and reports the last rate at which everything was alive and, if there is one, the rate from which
-- steps slow down. Every rate is on disk before it is tried: after a reboot `grit resume DIRECTORY` goes on, and takes the
-- rate that was being tried for the one that did it.
local grit = require "grit"

return grit.scenario {
  name = "ethernet_above_30gbps",
  summary = "A NIC is flooded faster and faster while the job trains: from where on does something break?",

  options = {
    node     = { "any", help = "the node that sends: 2, 1,3, any, all or 25%" },
    to_node  = { "others", help = "the nodes that receive: others, all, or 1,3" },
    protocol = { "tcp", choices = { "tcp", "udp" }, help = "how it is sent" },
    streams  = { "4", help = "connections to each receiver" },
    rate     = { "10Gbit/s", help = "what each sender sends; the search varies it" },
    from     = { "5Gbit/s", help = "the first rate" },
    to       = { "60Gbit/s", help = "the last rate" },
    steps    = { "12", unit = "count", help = "in so many steps, each as much higher than the one before" },
    block    = { "1s", help = "how long a block is" },
  },

  workload = grit.workload.ddp { model = "gpt2-small", scale = 0.02, compute = "emulated" },

  faults = function(o)
    return { grit.fault.ethernet_flood { on = o.node, to = o.to_node, protocol = o.protocol, streams = o.streams, rate = o.rate } }
  end,

  design = function(o) return { pairs = 6, block = o.block, hang = "30s" } end,

  checks = { grit.check.link_up {}, grit.check.nic_errors {} },

  -- Anything that ends a run early ends the escalation; steps that slow down only give the knee.
  search = function(o)
    return grit.search.threshold {
      kind = "escalate", option = "rate", from = o.from, to = o.to, trials = o.steps, slowdown = "10%",
    }
  end,
}
