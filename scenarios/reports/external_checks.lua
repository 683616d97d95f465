-- Do the checks that a site has already notice it: plug-ins of a monitoring system and rules over node exporter, beside
-- grit's own, on the same injections?
--
--   apt-get install --no-install-recommends monitoring-plugins-basic nagios-plugins-contrib prometheus-node-exporter
--   grit score external_checks --allow-command --out scores/external
--
-- 13 minutes. Two of them are natural controls: check_swap alarms always on a machine without swap, and check_network_errors
-- never, whatever a queue discipline or a firewall loses. What plug-ins and rules read of CPU, memory and load is the machine's:
-- on a local cluster every node alarms, and the right one cannot be told.
local grit = require "grit"
local fault, check = grit.fault, grit.check

-- Somewhere within a block. Plug-ins take a second and are read every second; what they say counts until 4 s after the end.
local function once(make, own)
  local all = { after = "500ms", every = "3s", count = 1, schedule = "poisson", lasts = "2500ms" }
  for key, value in pairs(own) do all[key] = value end
  return make(all)
end

local damages = {
  link_down       = function(node) return once(fault.link_down, { on = node }) end,
  packets_lost_10 = function(node) return once(fault.link_loss, { on = node, loss = "10%", direction = "both" }) end,
  link_rate_200M  = function(node) return once(fault.link_rate, { on = node, rate = "200Mbit/s" }) end,
  cpu_contention  = function(node) return once(fault.cpu_contention, { on = node, threads = 8 }) end,
  memory_pressure = function(node) return once(fault.memory_pressure, { on = node, hold = "512MiB", churn = "8GB/s" }) end,
}

local names = {}
for name in pairs(damages) do names[#names + 1] = name end

local function plugin(name, line, every)
  return check.command { name = name, command = "/usr/lib/nagios/plugins/" .. line, every = every or "1s", limit = "2s" }
end

-- A node pings one that it is not itself.
local function ping(addresses)
  return check.command {
    name = "check_ping", every = "1s", limit = "2s",
    command = "for to in " .. addresses .. "; do ip -4 -o address show to $to | grep -q . || exec "
      .. "/usr/lib/nagios/plugins/check_ping -4 -H $to -w 50,20% -c 100,60% -p 1 -t 1; done",
  }
end

-- Each node has its own exporter, in its own network namespace: the first check that finds none starts it.
local exporter = "env GOMAXPROCS=1 prometheus-node-exporter --web.listen-address=127.0.0.1:9100 --collector.disable-defaults"
for _, collector in ipairs { "netdev", "netclass", "netstat", "pressure", "vmstat", "meminfo", "softnet" } do
  exporter = exporter .. " --collector." .. collector
end
local function rule(name, critical)
  return check.openmetrics {
    name = "exporter_" .. name, url = "http://127.0.0.1:9100/metrics", exporter = exporter, critical = critical,
    every = "1s", limit = "1s",
  }
end

return grit.scenario {
  name = "external_checks",
  summary = "Plug-ins of a monitoring system and rules over node exporter beside grit's own checks: which notice it?",

  options = {
    damage = { "link_down", choices = names, help = "what is done to one node" },
    node = { "any", help = "the node to which it is done" },
    nic = { "eth0", help = "the data NIC on every node" },
    ping = { "10.77.1.1 10.77.1.2", help = "data addresses of two nodes; each pings the first that is not its own" },
  },

  workload = grit.workload.ddp { model = "gpt2-small", scale = 0.02, compute = "emulated" },

  faults = function(o) return { damages[o.damage](o.node) } end,

  design = { pairs = 6, block = "7s", sham = true },

  checks = function(o)
    return {
      ping(o.ping),
      plugin("check_load", "check_load -r -w 4,4,4 -c 8,8,8"),
      plugin("check_swap", "check_swap -w 20% -c 10%"),
      plugin("check_disk", "check_disk -w 10% -c 5% -p /"),
      plugin("check_pressure_cpu", "check_pressure --cpu -w 500000 -c 900000"),
      plugin("check_pressure_memory", "check_pressure --memory -w 50000 -c 200000"),
      plugin("check_network_errors", "check_network_errors -i '^" .. o.nic .. "$' -w 0:0 -c 0:10"),
      plugin("check_network_dropped", "check_network_dropped -i '^" .. o.nic .. "$' -w 0:0 -c 0:10"),
      plugin("check_network_link", "check_network --check-link -i '^" .. o.nic .. "$'"),
      rule("up", "node_network_up{device='" .. o.nic .. "'} == 0"),
      rule("carrier", "increase(node_network_carrier_changes_total{device='" .. o.nic .. "'}[3s]) > 0"),
      rule("retransmits", "rate(node_netstat_Tcp_RetransSegs[3s]) / rate(node_netstat_Tcp_OutSegs[3s]) > 0.01"),
      rule("timeouts", "increase(node_netstat_TcpExt_TCPTimeouts[3s]) > 0"),
      rule("receive_errors", "increase(node_network_receive_errs_total{device='" .. o.nic .. "'}[3s]) > 0"),
      rule("transmit_drops", "increase(node_network_transmit_drop_total{device='" .. o.nic .. "'}[3s]) > 0"),
      rule("cpu_pressure", "rate(node_pressure_cpu_waiting_seconds_total[3s]) > 0.9"),
      rule("memory_pressure", "rate(node_pressure_memory_stalled_seconds_total[3s]) > 0.1"),
      check.link_up { every = "1s" },
      check.link_carrier { every = "1s" },
      check.nic_errors { every = "1s" },
      check.qdisc_drops { every = "1s" },
      check.tcp_retransmits { every = "1s" },
      check.pressure { every = "1s" },
      check.memory_room { every = "1s" },
    }
  end,

  expect = { slowdown = { at_least = "5%" } },
}
