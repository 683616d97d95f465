-- Checks that hang, crash, print without end, always alarm, never do, or alarm at random: are they told for what they are
-- when a link goes down, and does a job notice them?
--
--   grit run scenarios/reports/odd_checks.lua --allow-command --out odd/scored       a NIC goes down, they are always read
--   grit score odd/scored
--   grit run scenarios/reports/odd_checks.lua --allow-command --case cost            no fault: they are read in one block of each pair
--
-- tests/bench/odd_checks.py does both and says what is wrong.
local grit = require "grit"

local odd = {
  hangs   = "trap '' TERM; while :; do sleep 1000; done",
  crashes = "kill -SEGV $$",
  floods  = "yes | head -c 1000000000",
  always  = "echo always; exit 2",
  never   = "echo well",
  random  = "[ $(od -An -N1 -tu1 /dev/urandom) -ge 13 ] || exit 2",  -- 13 of 256: 5.08 %
}

return grit.scenario {
  name = "odd_checks",
  summary = "Checks that hang, crash, flood, always alarm, never do or do so at random: told for what they are, unnoticed by the job?",

  options = {
    case = { "scored", choices = { "scored", "cost" }, help = "a NIC goes down beside them, or nothing but them" },
    pairs = { "10", unit = "count", help = "twice as many blocks are measured; with shams, three times" },
    every = { "", help = "how often each is read; default: 500ms, and for the cost 10s, which is the default of such checks" },
  },

  workload = grit.workload.ddp { model = "gpt2-small", scale = 0.02, compute = "emulated" },

  faults = function(o)
    if o.case == "cost" then return {} end
    return { grit.fault.link_down { on = "any", after = "500ms", every = "1s", count = 1, schedule = "poisson", lasts = "600ms" } }
  end,

  design = function(o)
    return { pairs = o.pairs, block = o.case == "cost" and "10s" or "4s", sham = o.case == "scored" }
  end,

  checks = function(o)
    local names, all = {}, {}
    for name in pairs(odd) do names[#names + 1] = name end
    table.sort(names)
    local cost = o.case == "cost"
    local every = o.every ~= "" and o.every or cost and "10s" or "500ms"
    for i, name in ipairs(names) do
      all[i] = grit.check.command {
        name = name, command = odd[name], every = every, limit = "300ms", blocks = cost and "fault" or "all",
      }
    end
    all[#all + 1] = grit.check.link_up { every = "500ms" }
    return all
  end,

  expect = function(o)
    if o.case == "cost" then return { slowdown = { at_most = "5%" } } end
    return { slowdown = { at_least = "5%" } }
  end,
}
