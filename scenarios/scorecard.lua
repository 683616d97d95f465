-- Do the health checks notice it? Each kind of damage is done to one node at random moments, beside as many shams, with all
-- checks of grit at once:
--
--   grit score scorecard --out scores/monday            all of them, one after another: about 35 minutes; goes on when called again
--   grit score scorecard --damage link_mtu --time 5min
--   grit run scorecard --damage link_mtu                one of them, with a verdict and a page of its own
--
-- What this machine cannot do (no root, no such device, a kernel without it) is listed, and is no failure.
-- A site's own scorecard is a copy of this file with its own checks and damages in it.
local grit = require "grit"
local fault = grit.fault

-- In a block of 4 s: begun at random, mostly over after 2 s; a check has its next two readings to notice what is over.
local once = { on = "any", after = "300ms", every = "1400ms", count = 1, schedule = "poisson", lasts = "1s" }

local function at_random(make, own)
  return function()
    local all = {}
    for key, value in pairs(once) do all[key] = value end
    for key, value in pairs(own or {}) do all[key] = value end
    return make(all)
  end
end

-- For those that say themselves how long they last, and so have no `lasts` beside it.
local function at_random_for(length, make, own)
  return function()
    own.on, own.after, own.schedule, own.count = "any", "300ms", "poisson", 1
    own.every = grit.time(length) + "400ms"
    return make(own)
  end
end

-- Not among them: process_kill ends the run, so that there are no six injections of it, and nothing to notice after the
-- first; command is whatever a site does. To fill the memory until memory_room alarms takes longer than a block, and would
-- risk the machine; what is here takes 250 MB and 500 MB.
local damages = {
  -- The network.
  link_flap_50ms  = at_random_for("50ms", fault.link_flap, { down = "50ms" }),
  -- Three, begun 300 ms apart on the average.
  link_flaps_3    = function() return fault.link_flap { on = "any", down = "100ms", count = 3, every = "300ms", after = "300ms", schedule = "poisson" } end,
  link_down_1s    = at_random(fault.link_down),
  link_mtu        = at_random(fault.link_mtu, { mtu = 1400 }),
  link_rate_500M  = at_random(fault.link_rate, { rate = "500Mbit/s" }),
  link_rate_50M   = at_random(fault.link_rate, { rate = "50Mbit/s" }),
  link_delay_2ms  = at_random(fault.link_delay, { delay = "2ms" }),
  link_delay_20ms = at_random(fault.link_delay, { delay = "20ms" }),
  packets_lost_1  = at_random(fault.link_loss, { loss = "1%", direction = "both" }),
  packets_lost_10 = at_random(fault.link_loss, { loss = "10%", direction = "both" }),
  partition_1s    = at_random_for("1s", fault.partition, { lasts = "1s" }),
  flood           = at_random(fault.ethernet_flood, { to = "others" }),
  irq_misplaced   = at_random(fault.irq_misplacement),
  -- The processors, and what runs on them.
  cpu_quota_20     = at_random(fault.cpu_throttle, { share = "20%" }),
  cpu_contention_1 = at_random(fault.cpu_contention, { threads = 1 }),
  cpu_contention_8 = at_random(fault.cpu_contention, { threads = 8 }),
  one_cpu          = at_random(fault.affinity_squeeze),
  other_numa_node  = at_random(fault.numa_misplacement),
  os_noise         = at_random(fault.os_noise, { period = "100ms", length = "20ms" }),
  paused_200ms     = at_random_for("200ms", fault.process_pause, { pause = "200ms" }),
  paused_1s        = at_random_for("1s", fault.process_pause, { pause = "1s" }),
  delayed_5ms      = at_random(fault.rank_delay, { delay = "5ms" }),
  delayed_50ms     = at_random(fault.rank_delay, { delay = "50ms" }),
  gpu_half_clock   = at_random(fault.gpu_throttle),
  -- Memory and storage.
  memory_bandwidth = at_random(fault.memory_bandwidth),
  memory_leak      = at_random(fault.memory_leak, { rate = "4Gbit/s", limit = "500MB" }),
  memory_churn     = at_random(fault.memory_pressure, { hold = "250MB", churn = "20GB/s", threads = 4 }),
  page_cache       = at_random(fault.page_cache_thrash),
  disk_contention  = at_random(fault.disk_contention, { threads = 8 }),
  -- The machine.
  clock_ahead = at_random(fault.clock_skew, { offset = "500ms" }),
  xid_logged  = at_random(fault.kernel_log),
}

local names = {}
for name in pairs(damages) do names[#names + 1] = name end

-- Four ranks keep two cores busy all the time, so that some task always waits for a CPU: a limit on that would be on before
-- anything is done, and tell nothing. On a node with a core for each rank 50 %, the check's default, does.
local own_limits = {
  pressure = { cpu_some = 0, window = "500ms" },
}

local checks = {}
for _, name in ipairs {
  "link_up", "link_carrier", "link_settings", "nic_errors", "nic_queues", "qdisc_drops", "tcp_retransmits", "net_tables", "rdma_ports", "peers",
  "pressure", "cpu_steal", "cpu_throttled", "cpu_clock", "numa_placement", "numa_memory", "irq_placement", "stopped_ranks", "stuck_tasks", "clock",
  "cgroup_leak", "kernel_log", "memory_room", "machine_check", "disk_latency", "disk_space", "nvme_smart", "pcie_link", "gpu_clock", "gpu_memory",
  "gpu_xid", "nvlink",
} do
  local check = { every = "500ms", limit = "500ms" }
  for key, value in pairs(own_limits[name] or {}) do check[key] = value end
  checks[#checks + 1] = grit.check[name](check)
end

return grit.scenario {
  name = "scorecard",
  summary = "Which health checks notice which kind of damage, how soon, and how often do they alarm without it?",

  options = {
    damage = { "link_down_1s", choices = names, help = "what is done to one node; grit score does all, one after another" },
  },

  workload = grit.workload.ddp { model = "gpt2-small", scale = 0.02, compute = "emulated" },

  faults = function(o) return { damages[o.damage]() } end,

  design = { pairs = 6, block = "4s", sham = true },

  checks = checks,

  expect = { slowdown = { at_least = "5%" } },
}
