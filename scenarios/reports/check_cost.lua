-- What do grit's own checks cost a job? There is no fault: they are read in one block of each pair and not in the other.
--
--   grit run scenarios/reports/check_cost.lua                     6 min, on a machine that does nothing else
--
-- All of them at their default periods, but for the two that are the site's (command, openmetrics). What counts is also read where a
-- block begins and ends, so that checks with a period of 10 s and more are read more often than by default: the cost is no less than a
-- job's. The effect on step time and its interval are the verdict's; the CPU time of the readings stands beside each check in the report.
local grit = require "grit"

return grit.scenario {
  name = "check_cost",
  summary = "No fault: all of grit's checks are read in one block of each pair only. What do they cost?",

  options = {
    pairs = { "20", unit = "count", help = "twice as many blocks are measured" },
    block = { "8s", help = "how long a block is: several readings of each check" },
    at_most = { "1%", help = "what is expected" },
  },

  workload = grit.workload.ddp { model = "gpt2-small", scale = 0.02, compute = "emulated" },

  design = function(o) return { pairs = o.pairs, block = o.block } end,

  checks = function()
    local names, all = {}, {}
    for name in pairs(grit.check) do
      if name ~= "command" and name ~= "openmetrics" then names[#names + 1] = name end
    end
    table.sort(names)
    for i, name in ipairs(names) do all[i] = grit.check[name] { blocks = "fault" } end
    return all
  end,

  expect = function(o) return { slowdown = { at_most = o.at_most } } end,
}
