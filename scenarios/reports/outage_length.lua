-- A health check that alarms only when a link was down for 30 s or more in one piece, as published ones do: from which outage on
-- does it alarm, and from which on does training stand still?
--
--   grit score outage_length --out scores/outages
--
-- Takes 2 h 30 min: each outage 10 times, beside as many blocks without it and as many shams of the same length. In 7 minutes the
-- same of outages and a check at a tenth of the scale (the check waits for 3 s):
--
--   grit score outage_length --set scale=0.1 --pairs 6 --damage down_1s --damage down_20s --damage down_35s --damage down_60s
local grit = require "grit"

local lengths, names = {}, {}
for _, s in ipairs { 1, 2, 5, 10, 20, 29, 31, 35, 45, 60 } do
  names[#names + 1] = "down_" .. s .. "s"
  lengths[names[#names]] = s
end

local function seconds(s) return string.format("%.3fs", s) end
local function length_of(o) return lengths[o.damage] * tonumber(o.scale) end

return grit.scenario {
  name = "outage_length",
  summary = "A check alarms only for outages of 30 s and more: from which on does it, and from which on does training stand still?",

  options = {
    damage = { "down_1s", choices = names, help = "for how long one node's NIC is down, times `scale`" },
    scale = { "1", unit = "number", min = "0.01", max = "10", help = "of the outages, and of the 30 s for which the check waits" },
    pairs = { "10", unit = "count", help = "so many outages, and as many shams" },
    node = { "any", help = "the node whose NIC goes down" },
  },

  workload = grit.workload.ddp { model = "gpt2-small", scale = 0.02, compute = "emulated" },

  faults = function(o)
    return { grit.fault.link_down { on = o.node, lasts = seconds(length_of(o)), after = "200ms", every = seconds(length_of(o) + 0.3),
                                    count = 1, schedule = "poisson" } }
  end,

  -- The step in which it goes down ends when TCP tries again, which may be as long after the outage as that lasted.
  design = function(o) return { pairs = o.pairs, block = seconds(length_of(o) + 2), sham = true, hang = "5min" } end,

  checks = function(o)
    local every = "200ms"
    return {
      grit.check.link_carrier {
        name = "one_long_outage", every = every, per_outage = true, flaps_warning = 0, down_warning = 0,
        down_critical = seconds(30 * tonumber(o.scale)),
      },
      grit.check.link_carrier { every = every },
    }
  end,

  expect = { slowdown = { at_least = "5%" } },
}
