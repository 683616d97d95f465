-- Days: all rounds over and over, for what comes and goes: a link that flaps a few times a day, memory that fails when it
-- is warm, a node that gets slower by the hour.
--
--   grit burnin --hosts 'n[01-64]' --config soak --time 72h
--
-- Ends after so many cycles, or when the time is over: then each node is in the state that the last whole cycle left it
-- in, and what was shown of a node stays so to the end; so does that it was set apart. Of figures the last three cycles are
-- judged, so that a node which gets slow after days is not hidden behind its better days. Each visit is compared with its
-- own moment's peers, so that what all nodes do at night accuses nobody.
local function stress(load)
  return { name = "stress_" .. load, scenario = "training_under_stress", options = { load = load }, sizes = { 4 }, limit = "5min" }
end

return {
  name = "soak",
  summary = "Days: everything in cycles, until --time is over; for what comes and goes",

  rounds = {
    { name = "facts", kinds = { "facts", "checks" }, alone = false },
    { name = "solo", kinds = { "compute", "memory", "storage" }, length = "30s", limit = "5min" },
    { name = "links", kinds = { "link" }, length = "10s", limit = "2min" },
    { name = "collective", kinds = { "collective" }, sizes = { 4, 0 }, length = "30s", limit = "3min" },
    { name = "training", kinds = { "training" }, sizes = { 4, 8 }, length = "5min", limit = "10min" },
    stress "flood", stress "memory", stress "cpu",
    { name = "flap", scenario = "recovery_after_flap", options = { node = "all" }, shape = "pair", limit = "5min" },
  },

  false_bad = "1%",
  confirm_visits = 8,
  looks = 3,
  cycles = 500,
}
