---@meta grit
-- What `require "grit"` gives a scenario, for LuaLS (completion, hover, checking). grit itself never reads this file.
-- Quantities are text with a unit: "500ms", "25MB", "10%". The reference is docs/scenarios.md.

---A time: "500ms", "2s" (ns us ms s min h).
---@alias grit.time string
---Bytes: "25MB", "64KiB" (B kB MB GB TB PB KiB MiB GiB TiB PiB).
---@alias grit.bytes string
---A share: "10%".
---@alias grit.fraction string
---A rate of floating-point operations: "1TFLOP/s" (FLOP/s kFLOP/s MFLOP/s GFLOP/s TFLOP/s PFLOP/s).
---@alias grit.flop_rate string
---A count: 8 or "8".
---@alias grit.count integer|string
---A number of steps: 40 or "40 steps".
---@alias grit.steps integer|string
---The values of the options, all text.
---@alias grit.options table<string, string>

---The nodes a fault acts on, counted from 0: 2, "2", { 1, 3 }, "1,3", "any" (one, chosen by the seed), "all", or a share
---such as "25%" (chosen by the seed, rounded up to at least one).
---@alias grit.nodes integer|string|(integer|string)[]

---@class grit.Fault    made by grit.fault.<name> { ... }
---@class grit.Workload made by grit.workload.<name> { ... }
---@class grit.Check    made by grit.check.<name> { ... }
---@class grit.Scenario made by grit.scenario { ... }

---One option, changed by --set NAME=VALUE.
---@class grit.option
---@field [1]   string|number|boolean the default
---@field help? string                one line for people
---@field unit? "count"|"number"|"time"|"bytes"|"bit rate"|"fraction"|"FLOP rate"|"text"|"boolean" a value that is not valid as this is an error

---@class grit.design
---@field pairs?  grit.count           pairs of a baseline and a fault block; at least 6 (default 8)
---@field block   grit.time|grit.steps how long a block is: "3s", or "40 steps", or 40
---@field settle? grit.steps           first steps of every block, left out of the measurement (default 1)
---@field warmup? grit.steps           steps before the first block (default 5)

---@class grit.slowdown
---@field at_least? grit.fraction met when the whole confidence interval of the slowdown lies above it
---@field at_most?  grit.fraction met when the whole confidence interval lies within plus and minus it

---@class grit.expect
---@field slowdown grit.slowdown at least one of at_least and at_most

---Every part but name, summary and options may also be a function of the options' values.
---@class grit.scenario.params
---@field name      string letters, digits, _ and -; the run directory is named after it
---@field summary?  string one line: what is asked
---@field options?  table<string, grit.option|string|number|boolean> what --set can change
---@field workload  grit.Workload|fun(o: grit.options): grit.Workload
---@field faults?   grit.Fault[]|fun(o: grit.options): grit.Fault[] none: baseline against baseline
---@field design    grit.design|fun(o: grit.options): grit.design
---@field checks?   grit.Check[]|fun(o: grit.options): grit.Check[] health checks made in every block
---@field expect    grit.expect|fun(o: grit.options): grit.expect

---@class grit.fault.link_flap.params
---@field on?    grit.nodes           the nodes it acts on (default "any")
---@field nic?   string               "data": the node's first data NIC; or the name of an interface (default "data")
---@field down?  grit.time            how long it stays down, at least "1ms" (default "1s")
---@field every? grit.time            from one start to the next; 0: twice `down` (default 0)
---@field count? grit.count           how many times in a block, 1 to 10000 (default 1)
---@field after? grit.time            from the start of the block to the first time (default "500ms")
---@field side?  "admin"|"carrier"    whose end goes down: the node's own, or the switch's (local cluster; default "admin")

---@class grit.workload.ddp.params
---@field model? "gpt2-small"|"gpt2-medium"|"gpt2-large"|"gpt2-xl"|"bert-base"|"bert-large"|"llama2-7b"|"llama3-8b"|"llama3-70b" the published model whose layers are trained (default "gpt2-small")
---@field scale? number|string              share of every layer's parameters and FLOPs that is kept, up to 1 (default 0.02)
---@field dtype? "fp32"|"bf16"|"fp16"       type in which gradients are moved and summed (default "bf16")
---@field bucket? grit.bytes                gradients put into one all-reduce, at scale 1
---@field micro_batches? grit.count         sequences a rank works on in a step (default 1)
---@field overlap? boolean|"true"|"false"   start a bucket's all-reduce as soon as it is full (default true)
---@field compute? "emulated"|"cpu"         timer-driven accelerator, or real matrix products on one core (default "emulated")
---@field peak? grit.flop_rate              speed of the emulated accelerator (default "1TFLOP/s")
---@field checkpoint_every? grit.count      steps from one checkpoint to the next; 0: none (default 0)
---@field checkpoint? grit.bytes            bytes a rank writes for a checkpoint; 0: follows from the model (default 0)

---@class grit.check.link_up.params
---@field nic? string "data": all data NICs of the node; or the name of an interface (default "data")

local grit = { fault = {}, workload = {}, check = {} }

---The scenario of this file; the file ends with `return grit.scenario { ... }`.
---@param params grit.scenario.params
---@return grit.Scenario
function grit.scenario(params) end

---A network interface goes down and comes back, once or several times.
---@param params? grit.fault.link_flap.params
---@return grit.Fault
function grit.fault.link_flap(params) end

---Synchronous data-parallel training: gradient buckets are all-reduced while backward goes on.
---@param params? grit.workload.ddp.params
---@return grit.Workload
function grit.workload.ddp(params) end

---Data NICs are up, have a carrier and still have their addresses.
---@param params? grit.check.link_up.params
---@return grit.Check
function grit.check.link_up(params) end

return grit
