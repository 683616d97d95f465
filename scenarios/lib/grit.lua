---@meta grit
-- What `require "grit"` gives a scenario, for LuaLS (completion, hover, checking). grit itself never reads this file.
-- Quantities are text with a unit: "500ms", "25MB", "10%". The reference is docs/scenarios.md.

---A time: "500ms", "2s" (ns us ms s min h).
---@alias grit.time string
---Bytes: "25MB", "64KiB" (B kB MB GB TB PB KiB MiB GiB TiB PiB).
---@alias grit.bytes string
---The size of a packet or of a block of a disk, in bytes: 1500, "64KiB".
---@alias grit.size number|string
---A bit rate: "10Gbit/s".
---@alias grit.bit_rate string
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
---@class grit.Search   made by grit.search.<name> { ... }
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
---@field hang?   grit.time            a step that takes longer ends the run, with the outcome "hang" (default "60s")
---@field link_test? boolean          measures the links between nodes as well, so that a slow one can be named (default false)

---Who the analysis must name; at least one of the two.
---@class grit.culprit
---@field node?     grit.nodes one of these nodes; "any", "all" and a share: one of those with a fault
---@field resource? "compute"|"network"|"memory"|"storage" what is short

---@class grit.slowdown
---@field at_least? grit.fraction met when the whole confidence interval of the slowdown lies above it
---@field at_most?  grit.fraction met when the whole confidence interval lies within plus and minus it

---@class grit.expect
---@field slowdown? grit.slowdown at least one of at_least and at_most; or else
---@field outcome?  "hang"|"rank_death"|"node_loss"|"corruption" how the run ends
---@field culprit?  grit.culprit  beside a slowdown: who it is

---Every part but name, summary and options may also be a function of the options' values.
---@class grit.scenario.params
---@field name      string letters, digits, _ and -; the run directory is named after it
---@field summary?  string one line: what is asked
---@field options?  table<string, grit.option|string|number|boolean> what --set can change
---@field workload  grit.Workload|fun(o: grit.options): grit.Workload
---@field faults?   grit.Fault[]|fun(o: grit.options): grit.Fault[] none: baseline against baseline
---@field design    grit.design|fun(o: grit.options): grit.design
---@field checks?   grit.Check[]|fun(o: grit.options): grit.Check[] health checks made in every block
---@field expect?   grit.expect|fun(o: grit.options): grit.expect required, but for a search with a slowdown or an outcome
---@field search?   grit.Search|fun(o: grit.options): grit.Search a series of trials instead of one run
---@field drive?    fun(trial: fun(options: table<string, string|number|boolean>): grit.TrialResult): grit.DriveEnd or one in which each trial decides on the next
---@field trials?   grit.count with drive: at most so many trials (default 100)

---What trial { option = value } returns.
---@class grit.TrialResult
---@field verdict         "reproduced"|"not_reproduced"|"inconclusive" of what the scenario expects
---@field outcome         string "completed", or how the run ended before its last block
---@field sentence        string the verdict in words
---@field slowdown?       { estimate: number, ci_low: number, ci_high: number } fractions: 0.10 is 10 % slower; nil when no pair was measured
---@field baseline_step_s number
---@field applied         boolean all faults were in force in all their windows
---@field culprit         string who is to blame, in words; "" when nobody
---@field failed_checks   string[] checks that fail more often under the fault than without (p at most 0.05 among all checks and nodes): "link_up on node2"
---@field untold_checks   string[] checks that were read in too few pairs to say so
---@field faults          table[] as in verdict.json

---What drive returns.
---@class grit.DriveEnd
---@field verdict "reproduced"|"not_reproduced"|"inconclusive"
---@field text    string the one sentence that says what was found

---@class grit.search.threshold.params
---@field option      string             the option whose value is the dose; it needs a unit
---@field from        string             the least dose
---@field to          string             the greatest
---@field kind?       "magnitude"|"yes_no"|"escalate" (default "magnitude" with a slowdown, "escalate" with an outcome, else "yes_no")
---@field slowdown?   grit.fraction      what counts as slowed (magnitude: default "10%")
---@field outcome?    "hang"|"rank_death"|"node_loss"|"corruption" what the dose is to bring about
---@field check?      string             yes_no: that this check fails
---@field trials?     grit.count         at most so many (default: as many as a search needs in most cases); for escalate, so many steps (default 12)
---@field resolution? grit.fraction      how exactly the threshold is to be known, 1% and more (default "10%")
---@field noise?      grit.fraction      yes_no: how often an answer far from the threshold is wrong (default "10%")
---@field scale?      "log"|"linear"     how doses are spread (default "log")
---@field harm?       "grows"|"falls"    with the dose (escalate: default "grows"; else learnt from the ends)

---@class grit.search.minimal.params
---@field trials? grit.count at most so many (default 100)

---What a fault is counted from; for every fault.
---@class grit.moments
---@field at_step? grit.count           counted from the start of this step of the block, the first is 0 (default 0: the block's start)
---@field follows? string               counted from an edge of this fault, its label or name, of the same node
---@field edge?    "applied"|"reverted" of the followed fault: first in force, or off at last (default "reverted")
---@field label?   string               what `follows` calls this one (default: its name)
---@field swizzle? grit.time            its nodes begin one after another, in random order, within this time, and end so in another order (default 0)

---When a fault is in force; for every fault that has no such parameters of its own.
---@class grit.timing: grit.moments
---@field after?      grit.time           from the start of the block (or at_step, follows) to the first time (default 0)
---@field lasts?      grit.time           how long it is in force; 0: to the end of the block (default 0)
---@field every?      grit.time           from one start to the next, longer than it lasts; 0: it is not repeated (default 0)
---@field count?      grit.count          how many times in a block, up to 10000, together with `every`; 0: as many as fit (default 0)
---@field schedule?   "regular"|"poisson" "poisson": at random, other in every block, `every` apart on average (default "regular")
---@field ramp?       grit.time           only for faults with a dose: for so long it grows (default 0: it is whole from the start)
---@field ramp_steps? grit.count          in so many equal steps, 2 to 100 (default 4)

---@class grit.fault.link_flap.params: grit.moments
---@field on?    grit.nodes           the nodes it acts on (default "any")
---@field nic?   string               "data": the one that the job is told to use, or the first; "all"; "rail:1": the second; or an interface's name (default "data")
---@field down?  grit.time            how long it stays down, at least "1ms" (default "1s")
---@field every? grit.time            from one start to the next; 0: twice `down` (default 0)
---@field count? grit.count           how many times in a block, 1 to 10000 (default 1)
---@field after? grit.time            from the start of the block to the first time (default "500ms")
---@field side?  "admin"|"carrier"    whose end goes down: the node's own, or the switch's (local cluster; default "admin")

---@class grit.fault.gpu_throttle.params: grit.timing
---@field on?    grit.nodes    the nodes it acts on (default "any")
---@field clock? grit.fraction the clock under the fault, as a share of the nominal one, "1%" to "100%" (default "50%")

---@class grit.fault.os_noise.params: grit.timing
---@field on?        grit.nodes           the nodes it acts on (default "any")
---@field period?    grit.time            from one moment to the next, on each core, "100us" to "10s" (default "100ms")
---@field length?    grit.time            how long a moment is, in CPU time, at most 90 % of `period` (default "2.5ms")
---@field cores?     string               "rank": those that the node's ranks may run on; "all"; or a list "0,2-3" (default "rank")
---@field mechanism? "auto"|"fifo"|"nice" SCHED_FIFO, or the best nice value that is permitted (default "auto")

---@class grit.fault.process_kill.params: grit.timing
---@field on?   grit.nodes the nodes it acts on (default "any")
---@field rank? string     which rank of the node: "0" is its first; or "all" (default "0")

---@class grit.fault.process_pause.params: grit.moments
---@field on?    grit.nodes the nodes it acts on (default "any")
---@field rank?  string     which rank of the node: "0" is its first; or "all" (default "all")
---@field pause? grit.time  how long, at least "1ms"; a block does not end while a rank of it is stopped (default "500ms")
---@field after? grit.time  from the start of the block to the pause (default "200ms")
---@field every? grit.time  from one start to the next, longer than `pause`; 0: it is not repeated (default 0)
---@field count? grit.count how many times in a block, up to 10000, together with `every`; 0: as many as fit (default 0)
---@field schedule? "regular"|"poisson" "poisson": at random, other in every block, `every` apart on average (default "regular")

---@class grit.fault.rank_delay.params: grit.timing
---@field on?          grit.nodes the nodes it acts on (default "any")
---@field rank?        string     which rank of the node: "0" is its first; or "all" (default "0")
---@field delay?       grit.time  how long it waits in a step (default "10ms")
---@field jitter?      grit.time  at random up to so much longer (default 0)
---@field every_steps? grit.count in every so many-th step only (default 1)

---@class grit.fault.cpu_throttle.params: grit.timing
---@field on?        grit.nodes    the nodes it acts on (default "any")
---@field rank?      string        which rank of the node: "0" is its first; or "all" (default "all")
---@field share?     grit.fraction of one core, that each of these ranks may use, "1%" to "100%" (default "50%")
---@field period?    grit.time     in which the share is counted, "2ms" to "1s" (default "100ms")
---@field mechanism? "auto"|"cgroup2"|"cgroup1"|"duty_cycle" control groups, or SIGSTOP and SIGCONT in turn (default "auto")

---@class grit.fault.cpu_contention.params: grit.timing
---@field on?      grit.nodes    the nodes it acts on (default "any")
---@field share?   grit.fraction of one core, that each process asks for, "1%" to "100%" (default "100%")
---@field threads? grit.count    how many processes, over the cores in turn; 0: one for each core (default 0)
---@field cores?   string        "rank": those that the node's ranks may run on; "all"; or a list "0,2-3" (default "rank")

---@class grit.fault.numa_misplacement.params: grit.timing
---@field on?   grit.nodes the nodes it acts on (default "any")
---@field rank? string     which rank of the node: "0" is its first; or "all" (default "all")

---@class grit.fault.affinity_squeeze.params: grit.timing
---@field on?   grit.nodes the nodes it acts on (default "any")
---@field rank? string     which rank of the node: "0" is its first; or "all" (default "all")
---@field cpus? grit.count how many CPUs they share: the first of those that they may run on (default 1)

---@class grit.fault.irq_misplacement.params: grit.timing
---@field on?    grit.nodes the nodes it acts on (default "any")
---@field nic?   string     "data": the one that the job is told to use, or the first; "all"; "rail:1": the second; or an interface's name (default "data")
---@field cores? string     "rank": those that the node's ranks may run on; "all"; or a list "0,2-3" (default "rank")

---@class grit.fault.clock_skew.params: grit.timing
---@field on?        grit.nodes       the nodes it acts on (default "any")
---@field offset?    grit.time        by how much, "1ms" to "24h" (default "500ms")
---@field direction? "ahead"|"behind" of the right time (default "ahead")

---@class grit.fault.ethernet_flood.params: grit.timing
---@field on?        grit.nodes      the nodes that send (default "any")
---@field nic?       string          "data": the one that the job is told to use, or the first; "all"; "rail:1": the second; or an interface's name (default "data")
---@field to?        string          receivers: "others" (nodes not in `on`), "all", or a list "1,3-5" (default "others")
---@field protocol?  "tcp"|"udp"     what is sent (default "tcp")
---@field rate?      grit.bit_rate   payload each sending node sends in all; 0: as fast as it goes (default 0)
---@field streams?   grit.count      connections of one node to another, 1 to 64 (default 2)
---@field packet?    grit.size       UDP payload of a packet (default 1472)
---@field mechanism? "auto"|"offload"|"plain" zero copy (TCP) and segmentation offload (UDP), or every byte and packet by itself (default "auto")

---@class grit.fault.partition.params: grit.timing
---@field on?        grit.nodes          the nodes of one side, where the rules are (default "any")
---@field nic?       string              "data": the one that the job is told to use, or the first; "all"; "rail:1": the second; or an interface's name (default "data")
---@field from?      string              whom they are cut off from: "others", "all", or nodes such as "1,3-5" (default "others")
---@field direction? "both"|"in"|"out"   of the packets dropped, as seen from the nodes in `on` (default "both")
---@field after?     grit.time           from the start of the block to the cut (default "200ms")
---@field lasts?     grit.time           until it heals; a collective over TCP stands still as long, so a block never ends before (default "500ms")

---@class grit.fault.memory_pressure.params: grit.timing
---@field on?        grit.nodes    the nodes it acts on (default "any")
---@field hold?      grit.bytes    goal: how much they hold in all
---@field share?     grit.fraction goal: which share of the node's memory they hold in all
---@field available? grit.bytes    goal: how much they leave available
---@field psi?       number        goal: some avg10 of /proc/pressure/memory in percent
---@field ramp?      grit.time     how long it takes to get there; 0: at once (default 0)
---@field churn?     grit.bit_rate how much of it they give back and fault in again in all, such as "1GB/s" (default 0)
---@field threads?   grit.count    how many processes share the work, 1 to 256 (default 1)

---@class grit.fault.link_down.params: grit.timing
---@field on?  grit.nodes   the nodes it acts on (default "any")
---@field nic? string       "data": the one that the job is told to use, or the first; "all"; "rail:1": the second; or an interface's name (default "data")

---@class grit.fault.memory_bandwidth.params: grit.timing
---@field on?      grit.nodes    the nodes it acts on (default "any")
---@field rate?    grit.bit_rate how much they write in all, such as "8GB/s"; 0: as fast as it goes (default 0)
---@field threads? grit.count    how many processes share the work, 1 to 256 (default 2)
---@field buffer?  grit.bytes    what each goes round in; larger than its share of the last cache (default "64MiB")

---@class grit.fault.memory_leak.params: grit.timing
---@field on?    grit.nodes    the nodes it acts on (default "any")
---@field rate?  grit.bit_rate how fast it grows; 0: as fast as it goes (default "64MB/s")
---@field limit? grit.bytes    where it stops; it starts anew with every block (default "1GB")

---@class grit.fault.page_cache_thrash.params: grit.timing
---@field on?        grit.nodes    the nodes it acts on (default "any")
---@field directory? string        on which file system: a directory there (default "/var/tmp")
---@field size?      grit.bytes    of all files together, gone round in (default "256MiB")
---@field block?     grit.size     of one read or write (default "1MiB")
---@field rate?      grit.bit_rate of all threads, such as "50MB/s"; 0: as fast as it goes (default 0)
---@field threads?   grit.count    how many processes share the work, each with its own file, 1 to 64 (default 2)

---@class grit.fault.disk_contention.params: grit.timing
---@field on?        grit.nodes    the nodes it acts on (default "any")
---@field directory? string        on which file system: a directory there (default "/var/tmp")
---@field size?      grit.bytes    of all files together, gone round in (default "64MiB")
---@field block?     grit.size     of one read or write (default "1MiB")
---@field rate?      grit.bit_rate of all threads, such as "50MB/s"; 0: as fast as it goes (default 0)
---@field threads?   grit.count    how many processes share the work, each with its own file, 1 to 64 (default 2)
---@field mechanism? "auto"|"direct"|"fsync" past the page cache, or through it and flushed after every block (default "auto")

---@class grit.fault.kernel_log.params: grit.timing
---@field on?    grit.nodes the nodes it acts on (default "any")
---@field text?  string     the line, without the "grit-injected: " that it begins with
---@field level? "emerg"|"alert"|"crit"|"err"|"warning"|"notice"|"info"|"debug" how severe (default "warning")

---@class grit.fault.command.params: grit.timing
---@field on?      grit.nodes the nodes it acts on (default "any")
---@field apply    string     puts it in force, and ends
---@field evidence string     ends with status 0 when it is in force, and prints what it saw
---@field counter  string     prints a number that moves when it acts
---@field revert   string     puts everything back; also when there is nothing to put back
---@field timeout? grit.time  a command that takes longer is killed and has failed (default "5s")

---@class grit.fault.link_rate.params: grit.timing
---@field on?      grit.nodes    the nodes it acts on (default "any")
---@field nic?     string        "data": the one that the job is told to use, or the first; "all"; "rail:1": the second; or an interface's name (default "data")
---@field rate?    grit.bit_rate what it may send, at least "8kbit/s" (default "1Gbit/s")
---@field burst?   grit.bytes    what goes out at once after a silence; 0: 1 ms at the rate, and two frames at least (default 0)
---@field latency? grit.time     how long a packet may wait; those that would wait longer are dropped (default "50ms")

---@class grit.fault.link_mtu.params: grit.timing
---@field on?  grit.nodes the nodes it acts on (default "any")
---@field nic? string     "data": the one that the job is told to use, or the first; "all"; "rail:1": the second; or an interface's name (default "data")
---@field mtu? grit.size the largest IP packet it then carries; under 1280 it has no IPv6 (default 1280)

---@class grit.fault.link_delay.params: grit.timing
---@field on?           grit.nodes    the nodes it acts on (default "any")
---@field nic?          string        "data": the one that the job is told to use, or the first; "all"; "rail:1": the second; or an interface's name (default "data")
---@field delay?        grit.time     how much later what it sends arrives (default "5ms")
---@field jitter?       grit.time     at random so much more or less (default 0)
---@field distribution? "normal"|"uniform"|"pareto" of the jitter: as its standard deviation (normal, pareto) or its largest (uniform; default "normal")
---@field correlation?  grit.fraction of a packet's jitter with the one's before it (default 0)
---@field reorder?      grit.fraction share of packets sent without delay, before others (default 0)

---@class grit.fault.link_loss.params: grit.timing
---@field on?        grit.nodes    the nodes it acts on (default "any")
---@field nic?       string        "data": the one that the job is told to use, or the first; "all"; "rail:1": the second; or an interface's name (default "data")
---@field loss?      grit.fraction share of the packets that are lost (default "1%")
---@field burst?     number        mean number of packets lost in a row; 1: each by itself (default 1)
---@field direction? "out"|"in"|"both" what the node sends, what it receives, or both; "in" and "both" by nftables only (default "out")
---@field mechanism? "auto"|"netem"|"nftables" netem, or nftables (no bursts; senders are told what it loses going out; default "auto")

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
---@field nic? string "data": all data NICs of the node; "rail:1": the second; or an interface's name (default "data")

---@class grit.check.nic_errors.params
---@field nic? string "data": all data NICs of the node; "rail:1": the second; or an interface's name (default "data")

local grit = { fault = {}, workload = {}, check = {}, search = {} }

---The scenario of this file; the file ends with `return grit.scenario { ... }`.
---@param params grit.scenario.params
---@return grit.Scenario
function grit.scenario(params) end

---A network interface goes down and comes back, once or several times.
---@param params? grit.fault.link_flap.params
---@return grit.Fault
function grit.fault.link_flap(params) end

---The node's accelerators run at a lower clock (emulated accelerators, so far).
---@param params? grit.fault.gpu_throttle.params
---@return grit.Fault
function grit.fault.gpu_throttle(params) end

---Cores are taken away for short moments, again and again (operating system noise).
---@param params? grit.fault.os_noise.params
---@return grit.Fault
function grit.fault.os_noise(params) end

---Ranks of the node are killed (SIGKILL); the job does not survive it.
---@param params? grit.fault.process_kill.params
---@return grit.Fault
function grit.fault.process_kill(params) end

---Ranks of the node stand still (SIGSTOP) and go on.
---@param params? grit.fault.process_pause.params
---@return grit.Fault
function grit.fault.process_pause(params) end

---A synthetic straggler: a rank waits in its steps.
---@param params? grit.fault.rank_delay.params
---@return grit.Fault
function grit.fault.rank_delay(params) end

---Ranks of the node get a share of one CPU core at most.
---@param params? grit.fault.cpu_throttle.params
---@return grit.Fault
function grit.fault.cpu_throttle(params) end

---Other processes compete for the CPU cores of the ranks.
---@param params? grit.fault.cpu_contention.params
---@return grit.Fault
function grit.fault.cpu_contention(params) end

---Ranks run on the CPUs of another NUMA node than that of their memory.
---@param params? grit.fault.numa_misplacement.params
---@return grit.Fault
function grit.fault.numa_misplacement(params) end

---All ranks of the node share a few CPUs.
---@param params? grit.fault.affinity_squeeze.params
---@return grit.Fault
function grit.fault.affinity_squeeze(params) end

---The interrupts of a NIC are served by the cores of the ranks.
---@param params? grit.fault.irq_misplacement.params
---@return grit.Fault
function grit.fault.irq_misplacement(params) end

---The node's wall clock is ahead or behind.
---@param params? grit.fault.clock_skew.params
---@return grit.Fault
function grit.fault.clock_skew(params) end

---TCP or UDP traffic from the nodes to others over their NICs, at a rate or as fast as it goes.
---@param params? grit.fault.ethernet_flood.params
---@return grit.Fault
function grit.fault.ethernet_flood(params) end
---Nodes cannot reach each other over the data network: their packets are dropped.
---@param params? grit.fault.partition.params
---@return grit.Fault
function grit.fault.partition(params) end
---Processes hold memory and churn it, so that little stays available and allocating gets slow.
---@param params? grit.fault.memory_pressure.params
---@return grit.Fault
function grit.fault.memory_pressure(params) end
---Processes write to memory past the caches, at a rate or as fast as it goes.
---@param params? grit.fault.memory_bandwidth.params
---@return grit.Fault
function grit.fault.memory_bandwidth(params) end
---A process takes more and more memory, up to a limit.
---@param params? grit.fault.memory_leak.params
---@return grit.Fault
function grit.fault.memory_leak(params) end
---Processes write and read files that never stay in the page cache.
---@param params? grit.fault.page_cache_thrash.params
---@return grit.Fault
function grit.fault.page_cache_thrash(params) end
---Processes write to a disk and wait for it, so that others wait as well.
---@param params? grit.fault.disk_contention.params
---@return grit.Fault
function grit.fault.disk_contention(params) end
---A line in the node's kernel log, as if a driver had written it.
---@param params? grit.fault.kernel_log.params
---@return grit.Fault
function grit.fault.kernel_log(params) end
---Whatever the commands of the scenario do (only with --allow-command).
---@param params grit.fault.command.params
---@return grit.Fault
function grit.fault.command(params) end

---A network interface is down for the whole block.
---@param params? grit.fault.link_down.params
---@return grit.Fault
function grit.fault.link_down(params) end

---A network interface sends no faster than a given rate.
---@param params? grit.fault.link_rate.params
---@return grit.Fault
function grit.fault.link_rate(params) end

---A network interface has a smaller MTU than it had.
---@param params? grit.fault.link_mtu.params
---@return grit.Fault
function grit.fault.link_mtu(params) end

---Packets that a network interface sends arrive later, by a fixed or a random time.
---@param params? grit.fault.link_delay.params
---@return grit.Fault
function grit.fault.link_delay(params) end

---A share of the packets of a network interface is lost, one by one or in bursts.
---@param params? grit.fault.link_loss.params
---@return grit.Fault
function grit.fault.link_loss(params) end

---Synchronous data-parallel training: gradient buckets are all-reduced while backward goes on.
---@param params? grit.workload.ddp.params
---@return grit.Workload
function grit.workload.ddp(params) end

---Data NICs are up, have a carrier and still have their addresses.
---@param params? grit.check.link_up.params
---@return grit.Check
function grit.check.link_up(params) end

---Data NICs count no receive or transmit errors.
---@param params? grit.check.nic_errors.params
---@return grit.Check
function grit.check.nic_errors(params) end

---From where on: the dose at which an effect starts, in a series of trials.
---@param params grit.search.threshold.params
---@return grit.Search
function grit.search.threshold(params) end

---From the scenario's list of faults to the smallest part of it that still gives what is expected.
---@param params? grit.search.minimal.params
---@return grit.Search
function grit.search.minimal(params) end

return grit
