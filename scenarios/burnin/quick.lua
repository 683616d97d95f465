-- Minutes: is anything clearly wrong with any of these nodes?
--
--   grit burnin --hosts 'n[01-64]'              --config quick is what there is without --config
--   grit burnin --local-nodes 8                 the same on a cluster on this machine
--
-- It is meant for what is large: a node that is 5 % slower in compute than its peers, a link at half its rate, half a
-- per cent of lost packets. What is smaller, or comes only under load, is for full.lua.
return {
  name = "quick",
  summary = "Minutes: facts, checks, compute, memory, storage, links, collectives and a short training",

  rounds = {
    -- What the nodes are, and what their health checks say. No rates: cells may share the cores of a local cluster.
    { name = "facts", kinds = { "facts", "checks" }, alone = false },

    -- Each node by itself.
    { name = "solo", kinds = { "compute", "memory", "storage" }, visits = 3, length = "800ms" },

    -- Each node with three others, one after the other.
    { name = "links", kinds = { "link" }, visits = 3, length = "1s" },

    -- What only shows between several: in cells of two, of four and of all.
    { name = "collective", kinds = { "collective" }, sizes = { 2, 4, 0 }, length = "1s" },
    { name = "training", kinds = { "training" }, sizes = { 4 }, visits = 2, length = "2s" },
  },

  -- On one machine of two cores, healthy local nodes send 0.09 to 0.15 % of the segments again, for want of CPU time.
  limits = { link_loss = { tolerance = "0.25%" } },

  -- In at most one of a hundred burn-ins is any healthy node called bad, whatever their number.
  false_bad = "1%",
  confirm_visits = 3,
  looks = 4,
}
