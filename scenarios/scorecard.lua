-- Do the health checks notice it? One kind of damage a run, at random moments, beside as many shams; all checks of grit
-- at once. From several runs grit score makes the scorecard:
--
--   for damage in link_down_1s link_mtu_1400 link_rate_500M packets_lost_10 partition_1s cpu_quota_50 paused_1s; do
--     grit run scorecard --damage $damage --out scores/$damage
--   done
--   grit score scores
--
-- A site's own scorecard is a copy of this file with its own checks and damages in it.
local grit = require "grit"
local fault = grit.fault

-- Somewhere within a block, and well before its end: a check has its next two readings to notice what is over.
local once = { on = "any", after = "500ms", every = "1500ms", count = 1, schedule = "poisson", lasts = "1s" }

local function at_random(make, own)
  local all = {}
  for key, value in pairs(once) do all[key] = value end
  for key, value in pairs(own) do all[key] = value end
  return make(all)
end

local damages = {
  link_down_100ms = function() return at_random(fault.link_down, { lasts = "100ms" }) end,
  link_down_1s    = function() return at_random(fault.link_down, {}) end,
  link_mtu_1400   = function() return at_random(fault.link_mtu, { mtu = 1400 }) end,
  link_rate_500M  = function() return at_random(fault.link_rate, { rate = "500Mbit/s" }) end,
  packets_lost_1  = function() return at_random(fault.link_loss, { loss = "1%", direction = "both" }) end,
  packets_lost_10 = function() return at_random(fault.link_loss, { loss = "10%", direction = "both" }) end,
  cpu_quota_50    = function() return at_random(fault.cpu_throttle, { share = "50%" }) end,
  one_cpu         = function() return at_random(fault.affinity_squeeze, {}) end,
  cpu_contention  = function() return at_random(fault.cpu_contention, {}) end,
  disk_contention = function() return at_random(fault.disk_contention, { threads = 8 }) end,
  ranks_delayed   = function() return at_random(fault.rank_delay, { delay = "20ms" }) end,
  gpu_half_clock  = function() return at_random(fault.gpu_throttle, {}) end,
  xid_logged      = function() return at_random(fault.kernel_log, {}) end,
  -- These say themselves how long they last.
  partition_1s = function() return fault.partition { on = "any", lasts = "1s", after = "1s" } end,
  paused_1s    = function() return fault.process_pause { on = "any", pause = "1s", after = "1s" } end,
}

local names = {}
for name in pairs(damages) do names[#names + 1] = name end

local checks = {}
for _, name in ipairs {
  "link_up", "link_carrier", "link_settings", "nic_errors", "nic_queues", "qdisc_drops", "tcp_retransmits", "net_tables", "rdma_ports", "peers",
  "pressure", "cpu_steal", "cpu_throttled", "cpu_clock", "numa_placement", "numa_memory", "irq_placement", "stopped_ranks", "stuck_tasks", "clock",
  "cgroup_leak", "kernel_log", "memory_room", "machine_check", "disk_latency", "disk_space", "nvme_smart", "pcie_link", "gpu_clock", "gpu_memory",
  "gpu_xid", "nvlink",
} do
  checks[#checks + 1] = grit.check[name] { every = "500ms", limit = "500ms" }
end

return grit.scenario {
  name = "scorecard",
  summary = "Which health checks notice this kind of damage, how soon, and how often do they alarm without it?",

  options = {
    damage = { "link_down_1s", choices = names, help = "what is done to one node, drawn anew for each run" },
  },

  workload = grit.workload.ddp { model = "gpt2-small", scale = 0.02, compute = "emulated" },

  faults = function(o) return { damages[o.damage]() } end,

  design = { pairs = 6, block = "5s", sham = true },

  checks = checks,

  expect = { slowdown = { at_least = "5%" } },
}
