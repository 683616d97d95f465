-- A health check of the site's runs on one node while the job trains: what does the check itself cost?
--
--   grit run scenarios/site_check.lua --check disk_space
--   grit run scenarios/site_check.lua --command /usr/sbin/nhc --limit 2s --allow-command
--
-- It runs once in each block with the fault. scenarios/reports/health_check_cost.lua asks what it costs a whole fleet.
local grit = require "grit"

return grit.scenario {
  name = "site_check",
  summary = "A health check runs on one node: what does the check itself cost?",

  options = {
    node = { "any", help = "the node on which it runs" },
    check = { "pressure", help = "one of grit's own checks (grit list checks), run by grit check" },
    command = { "", help = "or a command line, with --allow-command" },
    limit = { "2s", help = "how long it may take; it is killed then" },
  },

  workload = grit.workload.ddp { model = "gpt2-small", scale = 0.02, compute = "emulated" },

  faults = function(o)
    local check = o.command == "" and o.check or ""
    return { grit.fault.site_check { on = o.node, check = check, command = o.command, limit = o.limit } }
  end,

  design = function(o) return { pairs = 8, max_pairs = 16, block = o.limit + "500ms" } end,

  -- Kept when the whole 95 % confidence interval of the slowdown lies below 5 %.
  expect = { slowdown = { at_most = "5%" } },
}
