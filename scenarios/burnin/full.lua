-- Hours: before nodes go live. What quick.lua does, longer and with more partners; besides, training while every node is
-- loaded, and links that are taken down and come back.
--
--   grit burnin --hosts 'n[01-64]' --config full
--
-- Rounds with faults need root on the nodes (CAP_NET_ADMIN for flap).
local function stress(load)
  return { name = "stress_" .. load, scenario = "training_under_stress", options = { load = load }, sizes = { 4 }, visits = 2,
           limit = "5min" }
end

return {
  name = "full",
  summary = "Hours: as quick, longer, and training under load and after flaps",

  rounds = {
    { name = "facts", kinds = { "facts", "checks" }, alone = false },
    { name = "solo", kinds = { "compute", "memory", "storage" }, visits = 6, length = "10s", limit = "3min" },
    { name = "links", kinds = { "link" }, visits = 7, length = "5s" },
    { name = "collective", kinds = { "collective" }, sizes = { 2, 4, 8, 16, 32, 0 }, length = "5s", limit = "2min" },
    { name = "training", kinds = { "training" }, sizes = { 4 }, visits = 4, length = "20s", limit = "2min" },

    -- What fails only under load.
    stress "flood", stress "memory", stress "cpu",

    -- Does the bandwidth come back? The links of both nodes go down.
    { name = "flap", scenario = "recovery_after_flap", options = { node = "all" }, shape = "pair", visits = 2, limit = "5min" },

    -- Once more at the end: what has shown itself in the hours since.
    { name = "facts_after", kinds = { "facts", "checks" }, alone = false },
  },

  false_bad = "1%",
  confirm_visits = 8,
  looks = 3,
}
