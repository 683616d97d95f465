-- Your own commands as a fault. Here: a program that computes, in a place of your choice.
--
--   grit run scenarios/command.lua --allow-command
--
-- `apply` must end and leave the fault in force; `revert` must also succeed when there is nothing to revert.
local grit = require "grit"

return grit.scenario {
  name = "command",
  summary = "Commands of your own put a fault in force: what does a step cost?",

  options = {
    node = { "any", help = "the node on which they run: 2, 1,3, any, all or 25%" },
    file = { "/tmp/grit-command-example", help = "holds the process ids of what was started" },
  },

  workload = grit.workload.ddp { model = "gpt2-small", scale = 0.02, compute = "emulated" },

  faults = function(o)
    local on_each = "for p in $(cat " .. o.file .. " 2>/dev/null); do %s; done"
    local compute = "i=0; while :; do i=$((i+1)); [ $i -lt 100000 ] || { i=0; echo x >> " .. o.file .. ".rounds; }; done"
    return {
      grit.fault.command {
        on = o.node,
        -- Four programs, which end by themselves after 60 s, should nobody be left to revert it.
        apply = "for n in 1 2 3 4; do timeout 60 sh -c '" .. compute .. "' >/dev/null 2>&1 & echo $! >> "
          .. o.file .. "; done",
        evidence = "test -s " .. o.file .. " && " .. on_each:format("kill -0 $p || exit 1"),
        counter = "cat " .. o.file .. ".rounds 2>/dev/null | wc -l",
        revert = on_each:format("kill $p 2>/dev/null || true") .. "; rm -f " .. o.file .. " " .. o.file .. ".rounds",
      },
    }
  end,

  design = { pairs = 8, max_pairs = 16, block = "2s" },

  -- Reproduced when the whole 95 % confidence interval of the slowdown lies above 10 %.
  expect = { slowdown = { at_least = "10%" } },
}
