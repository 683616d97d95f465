---@meta grit
-- What `require "grit"` gives a scenario, for LuaLS (completion, hover, checking). grit itself never reads this file: it
-- writes it (grit describe --lua). The reference is docs/scenarios.md.

---A number with a unit, as options with one are, and as grit.time "30ms" makes it. Its text by tostring() and `..`.
---@class grit.quantity
---@operator add(grit.quantity|string): grit.quantity
---@operator sub(grit.quantity|string): grit.quantity
---@operator mul(grit.quantity|number): grit.quantity
---@operator div(number): grit.quantity
---@operator div(grit.quantity): number
---@operator concat(string|number): string

---A time: "500ms", "2s" (ns us ms s min h).
---@alias grit.time grit.quantity|string
---Bytes: "25MB", "64KiB" (B kB MB GB TB PB KiB MiB GiB TiB PiB).
---@alias grit.bytes grit.quantity|string
---The size of a packet or of a block of a disk, in bytes: 1500, "64KiB".
---@alias grit.size grit.quantity|number|string
---A bit rate: "10Gbit/s".
---@alias grit.bit_rate grit.quantity|string
---A share: "10%".
---@alias grit.fraction grit.quantity|string
---A rate of floating-point operations: "1TFLOP/s" (FLOP/s kFLOP/s MFLOP/s GFLOP/s TFLOP/s PFLOP/s).
---@alias grit.flop_rate grit.quantity|string
---A count: 8 or "8".
---@alias grit.count integer|string
---A number of steps: 40 or "40 steps".
---@alias grit.steps integer|string
---The values of the options: quantities, numbers and booleans where a default or its unit says so, else text.
---@alias grit.options table<string, any>

---The nodes a fault acts on, counted from 0: 2, "2", { 1, 3 }, "1,3", "any" (one, chosen by the seed), "all", a share
---such as "25%" (chosen by the seed, rounded up to at least one), those that have ranks with coordinates of the mesh,
---{ pp = 1 }, or what grit.node or grit.others gave.
---@alias grit.nodes grit.Node|grit.quantity|integer|string|(integer|string)[]|grit.coordinates
---The ranks a fault acts on: by their places on its nodes, "0" the first, "0,2-3", "all"; or of the whole job, by their
---coordinates, { dp = 0, tp = 1 }, which say the nodes, too.
---@alias grit.ranks string|grit.coordinates

---@class grit.Fault    made by grit.fault.<name> { ... }
---@class grit.Workload made by grit.workload.<name> { ... }
---@class grit.Check    made by grit.check.<name> { ... }
---@class grit.Search   made by grit.search.<name> { ... }
---@class grit.Node     made by grit.node or grit.others
---@class grit.Scenario made by grit.scenario { ... }

---What trial { option = value } returns.
---@class grit.TrialResult
---@field verdict         "reproduced"|"not_reproduced"|"inconclusive" of what the scenario expects
---@field outcome         string "completed", or how the run ended before its last block
---@field sentence        string the verdict in words
---@field slowdown?       { estimate: number, ci_low: number, ci_high: number } fractions: 0.10 is 10 % slower; nil when too few pairs were measured
---@field baseline_step_s number
---@field applied         boolean all faults were in force in all their windows
---@field culprit         string who is to blame, in words; "" when nobody
---@field failed_checks   string[] checks that fail more often under the fault than without (p at most 0.05 among all checks and nodes): "link_up on node2"
---@field untold_checks   string[] checks that were read in too few pairs to say so
---@field faults          table[] as in verdict.json

---One option, changed by --set NAME=VALUE or --NAME VALUE. Beside these keys it has its default, as [1].
---@class grit.option
---@field [1] string|number|boolean the default
---@field help? string one line for people
---@field unit? "count"|"number"|"time"|"bytes"|"size"|"bit rate"|"fraction"|"FLOP rate"|"text"|"boolean" values that are not of it are refused; a default such as "1s" says it itself
---@field choices? string[] the only values allowed
---@field min? string|number the least value allowed
---@field max? string|number the greatest value allowed

---How the ranks share the work, laid out as Megatron does it: tp fastest, then dp, then pp.
---@class grit.mesh
---@field dp? grit.count data parallel: so many copies of the model (default: what the others leave of the ranks)
---@field tp? grit.count tensor parallel: so many ranks share each layer (default 1)
---@field pp? grit.count pipeline parallel: so many stages of layers (default 1)
---@field ep? grit.count expert parallel: so many ranks of dp share the experts; divides dp (default 1)

---Of ranks, counted from 0; of several axes all must hold.
---@class grit.coordinates
---@field dp? grit.count
---@field tp? grit.count
---@field pp? grit.count the pipeline stage
---@field ep? grit.count the share of the experts; dp modulo the size of ep
---@field edp? grit.count among those that hold the same experts; dp divided by the size of ep

---How it is measured.
---@class grit.design
---@field pairs? grit.count pairs of a baseline and a fault block; 6 to 1000 (default 8)
---@field max_pairs? grit.count up to so many when it is not clear after `pairs` (default: `pairs`)
---@field block grit.time|grit.steps how long a block is: "3s" and four steps that begin after it, or "40 steps", or 40
---@field settle? grit.steps first steps of every block, left out of the measurement (default 1)
---@field warmup? grit.steps steps before the first block (default 5)
---@field hang? grit.time a step that takes longer ends the run, with the outcome "hang" (default "60s")
---@field sham? boolean a third block in every pair, in which everything is done but the fault itself (default false)
---@field recovery? grit.time after every fault block one without the fault, for so long (default 0: none)
---@field restarts? grit.count after a rank's death or a node's loss the job starts again from its last checkpoint, at most so many times; 1 to 100 (default 0: the run ends)
---@field link_test? boolean measures the links between nodes as well, so that a slow one can be named (default false)

---At least one of the two.
---@class grit.slowdown
---@field at_least? grit.fraction met when the whole confidence interval of the slowdown lies above it
---@field at_most? grit.fraction met when the whole confidence interval lies within plus and minus it

---At least one of the two: shares of the baseline's steps a second.
---@class grit.throughput
---@field at_least? grit.fraction met when the whole confidence interval of the share lies above it
---@field at_most? grit.fraction met when the whole confidence interval of the share lies below it

---Who the analysis must name; at least one of the two.
---@class grit.culprit
---@field node? grit.nodes one of these nodes; "any", "all" and a share: one of those with a fault
---@field resource? "compute"|"network"|"memory"|"storage"|"router" what is short

---Values that ranks receive are wrong, and the analysis must name who sent them.
---@class grit.wrong_values
---@field from grit.nodes ranks of these nodes; "any", "all" and a share: of those with a fault

---@class grit.recovers
---@field within grit.time met when the interval over blocks of the time until steps are as before lies within; `design.recovery` is at least as long

---At least one of the three.
---@class grit.restart
---@field detected_within? grit.time met when after each death the end of the job was ordered within
---@field back_within? grit.time met when after each death the job was within that where it had been: started again, and the lost steps complete
---@field goodput_at_least? grit.fraction met when the steps that count, at the baseline's step time, are such a share of the whole time

---What is claimed: at least one of the first seven.
---@class grit.expect
---@field slowdown? grit.slowdown of the fault blocks against the baseline blocks
---@field p99? grit.slowdown the same of the 99th percentile step time of a block
---@field throughput? grit.throughput steps a second, as a share of the baseline's
---@field checks? table<string, "fails"|"passes"> what checks of the scenario do under the fault
---@field wrong_values? grit.wrong_values who sends wrong values
---@field restart? grit.restart with design.restarts: how the job comes back; alone
---@field outcome? "hang"|"rank_death"|"node_loss"|"corruption" how the run ends; alone
---@field culprit? grit.culprit who it is
---@field recovers? grit.recovers with design.recovery: how soon steps are as before

---Every part but name, summary and options may also be a function of the options' values.
---@class grit.scenario.params
---@field name string letters, digits, _ and -; the run directory is named after it
---@field summary? string one line: what is asked
---@field options? table<string, grit.option|string|number|boolean> what --set can change: { "1s", help = "..." }, or the default alone
---@field workload grit.Workload|fun(o: grit.options): grit.Workload what is run
---@field mesh? grit.mesh|fun(o: grit.options): grit.mesh how its ranks share the work (default: all of them on dp)
---@field faults? grit.Fault[]|fun(o: grit.options): grit.Fault[] none: baseline against baseline
---@field design grit.design|fun(o: grit.options): grit.design how it is measured
---@field checks? grit.Check[]|fun(o: grit.options): grit.Check[] health checks made in every block
---@field expect? grit.expect|fun(o: grit.options): grit.expect required, but for a search with a slowdown or an outcome
---@field search? grit.Search|fun(o: grit.options): grit.Search a series of trials instead of one run
---@field drive? fun(trial: fun(options: table<string, grit.quantity|string|number|boolean>): grit.TrialResult): grit.DriveEnd or one in which each trial decides on the next
---@field trials? grit.count with drive: at most so many trials (default 100)

---@class grit.search.threshold.params
---@field option string the option whose value is the dose; it is a quantity
---@field from grit.quantity|string|number the least dose
---@field to grit.quantity|string|number the greatest
---@field kind? "magnitude"|"yes_no"|"escalate" default "magnitude" with a slowdown, "escalate" with an outcome, else "yes_no"
---@field slowdown? grit.fraction what counts as slowed (magnitude: default "10%")
---@field outcome? "hang"|"rank_death"|"node_loss"|"corruption" what the dose is to bring about
---@field check? string yes_no: that this check fails more often
---@field trials? grit.count at most so many (default: as many as a search needs in most cases); for escalate, so many steps (default 12)
---@field resolution? grit.fraction how exactly the threshold is to be known, 1% and more (default "10%")
---@field noise? grit.fraction yes_no: how often an answer far from the threshold is wrong (default "10%")
---@field scale? "log"|"linear" how doses are spread (default "log")
---@field harm? "grows"|"falls" with the dose (escalate: default "grows"; else learnt from the ends)

---@class grit.search.minimal.params
---@field trials? grit.count at most so many (default 100)

---What drive returns.
---@class grit.DriveEnd
---@field verdict "reproduced"|"not_reproduced"|"inconclusive"
---@field text string the one sentence that says what was found

---What a file of scenarios/burnin returns.
---@class grit.burnin
---@field name string letters, digits, _ and -; the directory of its results is named after it
---@field summary? string one line: what it is for
---@field rounds grit.burnin.round[] what every node goes through, in this order
---@field limits? table<string, grit.burnin.limits> by measure: what differs from the measure's own
---@field checks? grit.Check[] for the kind "checks" (default: all that need no parameters)
---@field must_match? ("cpu_model"|"gpu_model"|"cores"|"numa_nodes"|"memory_bytes"|"gpus"|"nics"|"nic_speed"|"nic_mtu"|"nic_driver"|"nic_firmware"|"pcie_width"|"pcie_speed"|"kernel"|"microcode"|"bios"|"gpu_driver"|"governor"|"smt"|"os")[] facts in which a node that is unlike most of its class is bad (default: cores, numa_nodes, memory_bytes, gpus, nics, nic_speed, nic_mtu, pcie_width, pcie_speed)
---@field false_bad? grit.fraction how probable it is that any healthy node is called bad (default "1%")
---@field confirm_visits? grit.count how often a suspect is measured again before it is judged (default 6)
---@field looks? grit.count how often a suspect is judged, after twice as many visits each time, before it stays unclear (default 3)
---@field cycles? grit.count how often all rounds are gone through (default 1)

---Kinds or a scenario.
---@class grit.burnin.round
---@field name string letters, digits, _ and -
---@field kinds? ("facts"|"checks"|"compute"|"memory"|"storage"|"link"|"collective"|"training")[] what is measured in each cell, in this order
---@field scenario? string or an ordinary run in each cell: the name of a scenario, or its file
---@field options? table<string, grit.quantity|string|number|boolean> of the scenario, as --set gives them
---@field shape? "node"|"pair"|"group" how many nodes a cell has: one; two, with the link between them; several (default: as the kinds need it; of a scenario "group")
---@field sizes? grit.count[] of groups, in nodes, one after the other; 0: all together (default { 0 })
---@field visits? grit.count how often each node is measured, in pairs with so many partners (default 1)
---@field ranks_per_node? grit.count of pairs and groups (default 1)
---@field length? grit.time how long each kind measures (default "1s")
---@field limit? grit.time a cell that takes longer is ended (default "60s")
---@field alone? boolean where nodes share cores, no other cell runs meanwhile, since it measures rates (default true)

---@class grit.burnin.limits
---@field tolerance? grit.fraction worse than its peers by no more than this is good; of link_loss the share of segments that is good
---@field spread? grit.fraction one standard deviation of how healthy nodes of a class differ; stating it says that their tails are not heavy
---@field at_least? grit.quantity|string a node below it is bad, whatever its peers are; of what is better higher
---@field at_most? grit.quantity|string the same above it; of what is better lower, and of carrier_losses (default: none)

---@class grit.fault.link_flap.params
---@field on? grit.nodes the nodes it acts on (default "any")
---@field nic? string "data": the data NIC that the job is told to use, or the first; "all": every one, each with a fault of its own; "rail:1": the second of them; or the name of an interface (default "data")
---@field down? grit.time how long it stays down (default 1s; at least 1ms)
---@field after? grit.time from the start of the block to the first time (default 500ms)
---@field side? "admin"|"carrier" whose end goes down: the node's own, or the switch's (local cluster) (default "admin")
---@field every? grit.time from one start to the next; 0: twice as long as it lasts with `count`, else it is not repeated (default 0ns)
---@field count? grit.count how many times in a block; 0: as many as fit (default 0; at most 10000)
---@field schedule? "regular"|"poisson" "poisson": at random, `every` apart on average (default "regular")
---@field at_step? grit.count counted from the start of this step of the block; the first is 0 (default 0)
---@field follows? string counted from an edge of this fault (its label or name) of the same node
---@field edge? "applied"|"reverted" of the followed fault: first in force, or off at last (default "reverted")
---@field label? string what `follows` calls this one; else its name
---@field swizzle? grit.time its nodes begin and end one after another, in random order, so long (default 0ns)

---@class grit.fault.link_down.params
---@field on? grit.nodes the nodes it acts on (default "any")
---@field nic? string "data": the data NIC that the job is told to use, or the first; "all": every one, each with a fault of its own; "rail:1": the second of them; or the name of an interface (default "data")
---@field after? grit.time from the start of the block (or at_step, follows) to the first time (default 0ns)
---@field lasts? grit.time how long it is in force; 0: to the end of the block (default 0ns)
---@field every? grit.time from one start to the next; 0: twice as long as it lasts with `count`, else it is not repeated (default 0ns)
---@field count? grit.count how many times in a block; 0: as many as fit (default 0; at most 10000)
---@field schedule? "regular"|"poisson" "poisson": at random, `every` apart on average (default "regular")
---@field at_step? grit.count counted from the start of this step of the block; the first is 0 (default 0)
---@field follows? string counted from an edge of this fault (its label or name) of the same node
---@field edge? "applied"|"reverted" of the followed fault: first in force, or off at last (default "reverted")
---@field label? string what `follows` calls this one; else its name
---@field swizzle? grit.time its nodes begin and end one after another, in random order, so long (default 0ns)

---@class grit.fault.link_rate.params
---@field on? grit.nodes the nodes it acts on (default "any")
---@field nic? string "data": the data NIC that the job is told to use, or the first; "all": every one, each with a fault of its own; "rail:1": the second of them; or the name of an interface (default "data")
---@field rate? grit.bit_rate what it may send, in frames without preamble, checksum and gap (default 1Gbit/s; at least 8kbit/s)
---@field burst? grit.bytes what goes out at once after a silence; 0: 1 ms at the rate, and two frames at least (default 0B; at most 4294967295B)
---@field latency? grit.time how long a packet may wait; those that would wait longer are dropped (default 50ms; at most 60s)
---@field after? grit.time from the start of the block (or at_step, follows) to the first time (default 0ns)
---@field lasts? grit.time how long it is in force; 0: to the end of the block (default 0ns)
---@field every? grit.time from one start to the next; 0: twice as long as it lasts with `count`, else it is not repeated (default 0ns)
---@field count? grit.count how many times in a block; 0: as many as fit (default 0; at most 10000)
---@field schedule? "regular"|"poisson" "poisson": at random, `every` apart on average (default "regular")
---@field at_step? grit.count counted from the start of this step of the block; the first is 0 (default 0)
---@field follows? string counted from an edge of this fault (its label or name) of the same node
---@field edge? "applied"|"reverted" of the followed fault: first in force, or off at last (default "reverted")
---@field label? string what `follows` calls this one; else its name
---@field swizzle? grit.time its nodes begin and end one after another, in random order, so long (default 0ns)

---@class grit.fault.link_delay.params
---@field on? grit.nodes the nodes it acts on (default "any")
---@field nic? string "data": the data NIC that the job is told to use, or the first; "all": every one, each with a fault of its own; "rail:1": the second of them; or the name of an interface (default "data")
---@field delay? grit.time how much later (default 5ms; at most 60s)
---@field jitter? grit.time at random so much more or less (default 0ns; at most 60s)
---@field distribution? "normal"|"uniform"|"pareto" of the jitter: as its standard deviation (normal, pareto) or its largest (uniform) (default "normal")
---@field correlation? grit.fraction of a packet's jitter with the one's before it (default 0%; at most 100%)
---@field reorder? grit.fraction share of packets sent without delay, before others (default 0%; at most 100%)
---@field after? grit.time from the start of the block (or at_step, follows) to the first time (default 0ns)
---@field lasts? grit.time how long it is in force; 0: to the end of the block (default 0ns)
---@field every? grit.time from one start to the next; 0: twice as long as it lasts with `count`, else it is not repeated (default 0ns)
---@field count? grit.count how many times in a block; 0: as many as fit (default 0; at most 10000)
---@field schedule? "regular"|"poisson" "poisson": at random, `every` apart on average (default "regular")
---@field at_step? grit.count counted from the start of this step of the block; the first is 0 (default 0)
---@field follows? string counted from an edge of this fault (its label or name) of the same node
---@field edge? "applied"|"reverted" of the followed fault: first in force, or off at last (default "reverted")
---@field label? string what `follows` calls this one; else its name
---@field swizzle? grit.time its nodes begin and end one after another, in random order, so long (default 0ns)

---@class grit.fault.link_loss.params
---@field on? grit.nodes the nodes it acts on (default "any")
---@field nic? string "data": the data NIC that the job is told to use, or the first; "all": every one, each with a fault of its own; "rail:1": the second of them; or the name of an interface (default "data")
---@field loss? grit.fraction share of the packets that are lost (default 1%; 0.0001% to 100%)
---@field burst? number|string mean number of packets lost in a row; 1: each by itself (default 1; 1 to 10000)
---@field direction? "out"|"in"|"both" what the node sends, what it receives, or both; "in" and "both" by nftables only (default "out")
---@field mechanism? "auto"|"netem"|"nftables" netem, or nftables (no choice of bursts: of a TCP stream it loses up to 64 KiB in a row; senders are told what it loses going out) (default "auto")
---@field after? grit.time from the start of the block (or at_step, follows) to the first time (default 0ns)
---@field lasts? grit.time how long it is in force; 0: to the end of the block (default 0ns)
---@field every? grit.time from one start to the next; 0: twice as long as it lasts with `count`, else it is not repeated (default 0ns)
---@field count? grit.count how many times in a block; 0: as many as fit (default 0; at most 10000)
---@field schedule? "regular"|"poisson" "poisson": at random, `every` apart on average (default "regular")
---@field at_step? grit.count counted from the start of this step of the block; the first is 0 (default 0)
---@field follows? string counted from an edge of this fault (its label or name) of the same node
---@field edge? "applied"|"reverted" of the followed fault: first in force, or off at last (default "reverted")
---@field label? string what `follows` calls this one; else its name
---@field swizzle? grit.time its nodes begin and end one after another, in random order, so long (default 0ns)

---@class grit.fault.link_mtu.params
---@field on? grit.nodes the nodes it acts on (default "any")
---@field nic? string "data": the data NIC that the job is told to use, or the first; "all": every one, each with a fault of its own; "rail:1": the second of them; or the name of an interface (default "data")
---@field mtu? grit.size the largest IP packet it then carries; under 1280 it has no IPv6 (default 1280; 68 to 65535B)
---@field after? grit.time from the start of the block (or at_step, follows) to the first time (default 0ns)
---@field lasts? grit.time how long it is in force; 0: to the end of the block (default 0ns)
---@field every? grit.time from one start to the next; 0: twice as long as it lasts with `count`, else it is not repeated (default 0ns)
---@field count? grit.count how many times in a block; 0: as many as fit (default 0; at most 10000)
---@field schedule? "regular"|"poisson" "poisson": at random, `every` apart on average (default "regular")
---@field at_step? grit.count counted from the start of this step of the block; the first is 0 (default 0)
---@field follows? string counted from an edge of this fault (its label or name) of the same node
---@field edge? "applied"|"reverted" of the followed fault: first in force, or off at last (default "reverted")
---@field label? string what `follows` calls this one; else its name
---@field swizzle? grit.time its nodes begin and end one after another, in random order, so long (default 0ns)

---@class grit.fault.partition.params
---@field on? grit.nodes the nodes it acts on (default "any")
---@field nic? string "data": the data NIC that the job is told to use, or the first; "all": every one, each with a fault of its own; "rail:1": the second of them; or the name of an interface (default "data")
---@field from? grit.nodes whom they are cut off from: "others", "any" (one of them), "all", or nodes such as "1,3-5" (default "others")
---@field direction? "both"|"in"|"out" of the packets dropped, as seen from the nodes in `on` (default "both")
---@field after? grit.time from the start of the block to the cut (default 200ms)
---@field lasts? grit.time until it heals; a collective over TCP stands still as long, so a block never ends before (default 500ms; at least 1ms)
---@field every? grit.time from one start to the next; 0: twice as long as it lasts with `count`, else it is not repeated (default 0ns)
---@field count? grit.count how many times in a block; 0: as many as fit (default 0; at most 10000)
---@field schedule? "regular"|"poisson" "poisson": at random, `every` apart on average (default "regular")
---@field at_step? grit.count counted from the start of this step of the block; the first is 0 (default 0)
---@field follows? string counted from an edge of this fault (its label or name) of the same node
---@field edge? "applied"|"reverted" of the followed fault: first in force, or off at last (default "reverted")
---@field label? string what `follows` calls this one; else its name
---@field swizzle? grit.time its nodes begin and end one after another, in random order, so long (default 0ns)

---@class grit.fault.ethernet_flood.params
---@field on? grit.nodes the nodes it acts on (default "any")
---@field nic? string "data": the data NIC that the job is told to use, or the first; "all": every one, each with a fault of its own; "rail:1": the second of them; or the name of an interface (default "data")
---@field to? grit.nodes receivers: "others" (nodes not in `on`), "any" (one of them), "all", or a list "1,3-5" (default "others")
---@field protocol? "tcp"|"udp" what is sent (default "tcp")
---@field rate? grit.bit_rate payload each sending node sends in all, over all its receivers and streams; 0: as fast as it goes (default 0bit/s)
---@field streams? grit.count connections of one node to another, each a process at both ends (default 2; 1 to 64)
---@field packet? grit.size UDP payload of a packet (1472 fills an MTU of 1500) (default 1472; 16 to 65kB)
---@field mechanism? "auto"|"offload"|"plain" "offload": zero copy (TCP), segmentation offload (UDP); "plain": every byte, every packet by itself (default "auto")
---@field after? grit.time from the start of the block (or at_step, follows) to the first time (default 0ns)
---@field lasts? grit.time how long it is in force; 0: to the end of the block (default 0ns)
---@field every? grit.time from one start to the next; 0: twice as long as it lasts with `count`, else it is not repeated (default 0ns)
---@field count? grit.count how many times in a block; 0: as many as fit (default 0; at most 10000)
---@field schedule? "regular"|"poisson" "poisson": at random, `every` apart on average (default "regular")
---@field at_step? grit.count counted from the start of this step of the block; the first is 0 (default 0)
---@field follows? string counted from an edge of this fault (its label or name) of the same node
---@field edge? "applied"|"reverted" of the followed fault: first in force, or off at last (default "reverted")
---@field label? string what `follows` calls this one; else its name
---@field swizzle? grit.time its nodes begin and end one after another, in random order, so long (default 0ns)
---@field ramp? grit.time for so long the dose grows; 0: it is whole from the start (default 0ns)
---@field ramp_steps? grit.count in so many equal steps (default 4; 2 to 100)

---@class grit.fault.gpu_throttle.params
---@field on? grit.nodes the nodes it acts on (default "any")
---@field clock? grit.fraction emulated, clocks: the clock under the fault, as a share of the nominal one; of a GPU its highest (default 50%; 1% to 100%)
---@field mechanism? "emulated"|"clocks"|"power"|"sm_share" the emulated accelerator; or of NVIDIA GPUs (with --allow-gpu-settings) locked clocks, or a power limit; or, without changing anything, multiprocessors that another process holds, as gpu_contention does (default "emulated")
---@field share? grit.fraction sm_share: which share of the multiprocessors is left to others (default 50%; 1% to 100%)
---@field power? grit.fraction mechanism power: the power limit, as a share of the one before, to the watt (default 70%; 1% to 100%)
---@field gpu? string not emulated: which GPU of the node: all, the number of nvidia-smi, or a UUID; sm_share: or a PCI address (default "all")
---@field site_lock? string clocks: what the site itself has locked the clocks to, to be put back: "1410" or "1200,1410" MHz, none; auto: none, and refused unless each GPU works at its highest clock, which shows that there is no lock (default "auto")
---@field after? grit.time from the start of the block (or at_step, follows) to the first time (default 0ns)
---@field lasts? grit.time how long it is in force; 0: to the end of the block (default 0ns)
---@field every? grit.time from one start to the next; 0: twice as long as it lasts with `count`, else it is not repeated (default 0ns)
---@field count? grit.count how many times in a block; 0: as many as fit (default 0; at most 10000)
---@field schedule? "regular"|"poisson" "poisson": at random, `every` apart on average (default "regular")
---@field at_step? grit.count counted from the start of this step of the block; the first is 0 (default 0)
---@field follows? string counted from an edge of this fault (its label or name) of the same node
---@field edge? "applied"|"reverted" of the followed fault: first in force, or off at last (default "reverted")
---@field label? string what `follows` calls this one; else its name
---@field swizzle? grit.time its nodes begin and end one after another, in random order, so long (default 0ns)
---@field ramp? grit.time for so long the dose grows; 0: it is whole from the start (default 0ns)
---@field ramp_steps? grit.count in so many equal steps (default 4; 2 to 100)

---@class grit.fault.gpu_contention.params
---@field on? grit.nodes the nodes it acts on (default "any")
---@field resource? "sm"|"time"|"hbm"|"nvlink" sm: multiprocessors, each of which nothing else can use while it is held; time: all of them, for some of the time (both measured: held_sm_ns, by the GPU's own timer); hbm: the bandwidth of its memory, by copies (moved_bytes); nvlink: copies to another GPU that the driver lets it reach (moved_bytes) (default "sm")
---@field share? grit.fraction sm: of all multiprocessors, to the nearest; time: of the time; hbm, nvlink: of what its copies come to as fast as they go, measured each time before it is in force. What it came to: achieved_ppm (default 50%; 1% to 100%)
---@field gpu? string which GPU of the node: all, the number of nvidia-smi, a PCI address (0000:81:00.0) or a UUID (GPU-...) (default "all")
---@field after? grit.time from the start of the block (or at_step, follows) to the first time (default 0ns)
---@field lasts? grit.time how long it is in force; 0: to the end of the block (default 0ns)
---@field every? grit.time from one start to the next; 0: twice as long as it lasts with `count`, else it is not repeated (default 0ns)
---@field count? grit.count how many times in a block; 0: as many as fit (default 0; at most 10000)
---@field schedule? "regular"|"poisson" "poisson": at random, `every` apart on average (default "regular")
---@field at_step? grit.count counted from the start of this step of the block; the first is 0 (default 0)
---@field follows? string counted from an edge of this fault (its label or name) of the same node
---@field edge? "applied"|"reverted" of the followed fault: first in force, or off at last (default "reverted")
---@field label? string what `follows` calls this one; else its name
---@field swizzle? grit.time its nodes begin and end one after another, in random order, so long (default 0ns)

---@class grit.fault.gpu_memory_pressure.params
---@field on? grit.nodes the nodes it acts on (default "any")
---@field free? grit.bytes how much of each GPU's memory stays free, by what cudaMemGetInfo() says; 1 GiB at least. Measured: taken_bytes, given_back_bytes, free_bytes (default 0B)
---@field free_share? grit.fraction instead of `free`: of all its memory (default 10%; 5% to 100%)
---@field gpu? string which GPU of the node: all, the number of nvidia-smi, a PCI address (0000:81:00.0) or a UUID (GPU-...) (default "all")
---@field after? grit.time from the start of the block (or at_step, follows) to the first time (default 0ns)
---@field lasts? grit.time how long it is in force; 0: to the end of the block (default 0ns)
---@field every? grit.time from one start to the next; 0: twice as long as it lasts with `count`, else it is not repeated (default 0ns)
---@field count? grit.count how many times in a block; 0: as many as fit (default 0; at most 10000)
---@field schedule? "regular"|"poisson" "poisson": at random, `every` apart on average (default "regular")
---@field at_step? grit.count counted from the start of this step of the block; the first is 0 (default 0)
---@field follows? string counted from an edge of this fault (its label or name) of the same node
---@field edge? "applied"|"reverted" of the followed fault: first in force, or off at last (default "reverted")
---@field label? string what `follows` calls this one; else its name
---@field swizzle? grit.time its nodes begin and end one after another, in random order, so long (default 0ns)

---@class grit.fault.pcie_contention.params
---@field on? grit.nodes the nodes it acts on (default "any")
---@field direction? "both"|"to_device"|"to_host" to_device (host to GPU), to_host (GPU to host), or both at once (default "both")
---@field share? grit.fraction of what the copies of one direction of a GPU come to alone, as fast as they go, measured each time before it is in force. Measured: to_device_bytes, to_host_bytes, achieved_ppm (default 100%; 1% to 100%)
---@field rate? grit.bit_rate instead of `share`: of each direction of each GPU, such as "10GB/s" (default 0bit/s)
---@field gpu? string which GPU of the node: all, the number of nvidia-smi, a PCI address (0000:81:00.0) or a UUID (GPU-...) (default "all")
---@field after? grit.time from the start of the block (or at_step, follows) to the first time (default 0ns)
---@field lasts? grit.time how long it is in force; 0: to the end of the block (default 0ns)
---@field every? grit.time from one start to the next; 0: twice as long as it lasts with `count`, else it is not repeated (default 0ns)
---@field count? grit.count how many times in a block; 0: as many as fit (default 0; at most 10000)
---@field schedule? "regular"|"poisson" "poisson": at random, `every` apart on average (default "regular")
---@field at_step? grit.count counted from the start of this step of the block; the first is 0 (default 0)
---@field follows? string counted from an edge of this fault (its label or name) of the same node
---@field edge? "applied"|"reverted" of the followed fault: first in force, or off at last (default "reverted")
---@field label? string what `follows` calls this one; else its name
---@field swizzle? grit.time its nodes begin and end one after another, in random order, so long (default 0ns)

---@class grit.fault.cpu_throttle.params
---@field on? grit.nodes the nodes it acts on (default "any")
---@field rank? grit.ranks which ranks of the node: "0" is its first, "0,2-3" several; "all"; or of the whole job, by coordinates: { tp = 1 } (default "all")
---@field share? grit.fraction of one core, that each of these ranks may use (default 50%; 1% to 100%)
---@field period? grit.time in which the share is counted; the rest of it the rank stands still (default 100ms; 2ms to 1s)
---@field mechanism? "auto"|"cgroup2"|"cgroup1"|"duty_cycle" control groups (version 2, 1), or SIGSTOP and SIGCONT in turn (default "auto")
---@field after? grit.time from the start of the block (or at_step, follows) to the first time (default 0ns)
---@field lasts? grit.time how long it is in force; 0: to the end of the block (default 0ns)
---@field every? grit.time from one start to the next; 0: twice as long as it lasts with `count`, else it is not repeated (default 0ns)
---@field count? grit.count how many times in a block; 0: as many as fit (default 0; at most 10000)
---@field schedule? "regular"|"poisson" "poisson": at random, `every` apart on average (default "regular")
---@field at_step? grit.count counted from the start of this step of the block; the first is 0 (default 0)
---@field follows? string counted from an edge of this fault (its label or name) of the same node
---@field edge? "applied"|"reverted" of the followed fault: first in force, or off at last (default "reverted")
---@field label? string what `follows` calls this one; else its name
---@field swizzle? grit.time its nodes begin and end one after another, in random order, so long (default 0ns)

---@class grit.fault.cpu_contention.params
---@field on? grit.nodes the nodes it acts on (default "any")
---@field share? grit.fraction of one core, that each of them asks for (default 100%; 1% to 100%)
---@field threads? grit.count how many of them, over the cores in turn; 0: one for each core (default 0; at most 1024)
---@field cores? string "rank": those that the node's ranks may run on; "all"; or a list "0,2-3" (default "rank")
---@field after? grit.time from the start of the block (or at_step, follows) to the first time (default 0ns)
---@field lasts? grit.time how long it is in force; 0: to the end of the block (default 0ns)
---@field every? grit.time from one start to the next; 0: twice as long as it lasts with `count`, else it is not repeated (default 0ns)
---@field count? grit.count how many times in a block; 0: as many as fit (default 0; at most 10000)
---@field schedule? "regular"|"poisson" "poisson": at random, `every` apart on average (default "regular")
---@field at_step? grit.count counted from the start of this step of the block; the first is 0 (default 0)
---@field follows? string counted from an edge of this fault (its label or name) of the same node
---@field edge? "applied"|"reverted" of the followed fault: first in force, or off at last (default "reverted")
---@field label? string what `follows` calls this one; else its name
---@field swizzle? grit.time its nodes begin and end one after another, in random order, so long (default 0ns)

---@class grit.fault.os_noise.params
---@field on? grit.nodes the nodes it acts on (default "any")
---@field period? grit.time from one moment to the next, on each core (default 100ms; 100us to 10s)
---@field length? grit.time how long a moment is, in CPU time (default 2.5ms; 1us to 1s)
---@field cores? string "rank": those that the node's ranks may run on; "all"; or a list "0,2-3" (default "rank")
---@field mechanism? "auto"|"fifo"|"nice" SCHED_FIFO, or the best nice value that is permitted (default "auto")
---@field after? grit.time from the start of the block (or at_step, follows) to the first time (default 0ns)
---@field lasts? grit.time how long it is in force; 0: to the end of the block (default 0ns)
---@field every? grit.time from one start to the next; 0: twice as long as it lasts with `count`, else it is not repeated (default 0ns)
---@field count? grit.count how many times in a block; 0: as many as fit (default 0; at most 10000)
---@field schedule? "regular"|"poisson" "poisson": at random, `every` apart on average (default "regular")
---@field at_step? grit.count counted from the start of this step of the block; the first is 0 (default 0)
---@field follows? string counted from an edge of this fault (its label or name) of the same node
---@field edge? "applied"|"reverted" of the followed fault: first in force, or off at last (default "reverted")
---@field label? string what `follows` calls this one; else its name
---@field swizzle? grit.time its nodes begin and end one after another, in random order, so long (default 0ns)

---@class grit.fault.memory_pressure.params
---@field on? grit.nodes the nodes it acts on (default "any")
---@field hold? grit.bytes goal: how much they hold in all (default 0B)
---@field share? grit.fraction goal: which share of the node's memory they hold in all (default 0%; at most 100%)
---@field available? grit.bytes goal: how much they leave available (default 0B)
---@field psi? number|string goal: some avg10 of /proc/pressure/memory in percent, for which they grow by 5 % of all memory a second (default 0; at most 100)
---@field ramp? grit.time how long it takes to get there; 0: at once (default 0ns)
---@field churn? grit.bit_rate how much of it a second they give back and fault in again in all; more than they can: as fast as it goes (default 0bit/s)
---@field threads? grit.count how many processes share the work (default 1; 1 to 256)
---@field after? grit.time from the start of the block (or at_step, follows) to the first time (default 0ns)
---@field lasts? grit.time how long it is in force; 0: to the end of the block (default 0ns)
---@field every? grit.time from one start to the next; 0: twice as long as it lasts with `count`, else it is not repeated (default 0ns)
---@field count? grit.count how many times in a block; 0: as many as fit (default 0; at most 10000)
---@field schedule? "regular"|"poisson" "poisson": at random, `every` apart on average (default "regular")
---@field at_step? grit.count counted from the start of this step of the block; the first is 0 (default 0)
---@field follows? string counted from an edge of this fault (its label or name) of the same node
---@field edge? "applied"|"reverted" of the followed fault: first in force, or off at last (default "reverted")
---@field label? string what `follows` calls this one; else its name
---@field swizzle? grit.time its nodes begin and end one after another, in random order, so long (default 0ns)

---@class grit.fault.memory_bandwidth.params
---@field on? grit.nodes the nodes it acts on (default "any")
---@field rate? grit.bit_rate how much they write in all, such as "8GB/s"; 0: as fast as it goes (default 0bit/s)
---@field threads? grit.count how many processes share the work (default 2; 1 to 256)
---@field buffer? grit.bytes what each goes round in; must be larger than its share of the last cache (default 64MiB; at least 256KiB)
---@field after? grit.time from the start of the block (or at_step, follows) to the first time (default 0ns)
---@field lasts? grit.time how long it is in force; 0: to the end of the block (default 0ns)
---@field every? grit.time from one start to the next; 0: twice as long as it lasts with `count`, else it is not repeated (default 0ns)
---@field count? grit.count how many times in a block; 0: as many as fit (default 0; at most 10000)
---@field schedule? "regular"|"poisson" "poisson": at random, `every` apart on average (default "regular")
---@field at_step? grit.count counted from the start of this step of the block; the first is 0 (default 0)
---@field follows? string counted from an edge of this fault (its label or name) of the same node
---@field edge? "applied"|"reverted" of the followed fault: first in force, or off at last (default "reverted")
---@field label? string what `follows` calls this one; else its name
---@field swizzle? grit.time its nodes begin and end one after another, in random order, so long (default 0ns)

---@class grit.fault.memory_leak.params
---@field on? grit.nodes the nodes it acts on (default "any")
---@field rate? grit.bit_rate how fast it grows, such as "64MB/s"; 0: as fast as it goes (default 512Mbit/s)
---@field limit? grit.bytes where it stops; it starts anew with every block (default 1GB; at least 1MiB)
---@field after? grit.time from the start of the block (or at_step, follows) to the first time (default 0ns)
---@field lasts? grit.time how long it is in force; 0: to the end of the block (default 0ns)
---@field every? grit.time from one start to the next; 0: twice as long as it lasts with `count`, else it is not repeated (default 0ns)
---@field count? grit.count how many times in a block; 0: as many as fit (default 0; at most 10000)
---@field schedule? "regular"|"poisson" "poisson": at random, `every` apart on average (default "regular")
---@field at_step? grit.count counted from the start of this step of the block; the first is 0 (default 0)
---@field follows? string counted from an edge of this fault (its label or name) of the same node
---@field edge? "applied"|"reverted" of the followed fault: first in force, or off at last (default "reverted")
---@field label? string what `follows` calls this one; else its name
---@field swizzle? grit.time its nodes begin and end one after another, in random order, so long (default 0ns)

---@class grit.fault.page_cache_thrash.params
---@field on? grit.nodes the nodes it acts on (default "any")
---@field directory? string on which file system: a directory there; the file in it has no name (default "/var/tmp")
---@field size? grit.bytes of all files together, gone round in (default 256MiB; at least 4KiB)
---@field block? grit.size of one read or write (default 1MiB; 4096 to 1GiB)
---@field rate? grit.bit_rate of all threads, such as "50MB/s"; 0: as fast as it goes (default 0bit/s)
---@field threads? grit.count how many processes share the work, each with its own file (default 2; 1 to 64)
---@field after? grit.time from the start of the block (or at_step, follows) to the first time (default 0ns)
---@field lasts? grit.time how long it is in force; 0: to the end of the block (default 0ns)
---@field every? grit.time from one start to the next; 0: twice as long as it lasts with `count`, else it is not repeated (default 0ns)
---@field count? grit.count how many times in a block; 0: as many as fit (default 0; at most 10000)
---@field schedule? "regular"|"poisson" "poisson": at random, `every` apart on average (default "regular")
---@field at_step? grit.count counted from the start of this step of the block; the first is 0 (default 0)
---@field follows? string counted from an edge of this fault (its label or name) of the same node
---@field edge? "applied"|"reverted" of the followed fault: first in force, or off at last (default "reverted")
---@field label? string what `follows` calls this one; else its name
---@field swizzle? grit.time its nodes begin and end one after another, in random order, so long (default 0ns)

---@class grit.fault.disk_contention.params
---@field on? grit.nodes the nodes it acts on (default "any")
---@field directory? string on which file system: a directory there; the file in it has no name (default "/var/tmp")
---@field size? grit.bytes of all files together, gone round in (default 64MiB; at least 4KiB)
---@field block? grit.size of one read or write (default 1MiB; 4096 to 1GiB)
---@field rate? grit.bit_rate of all threads, such as "50MB/s"; 0: as fast as it goes (default 0bit/s)
---@field threads? grit.count how many processes share the work, each with its own file (default 2; 1 to 64)
---@field mechanism? "auto"|"direct"|"fsync" "direct": past the page cache; "fsync": through it, flushed after every block (default "auto")
---@field after? grit.time from the start of the block (or at_step, follows) to the first time (default 0ns)
---@field lasts? grit.time how long it is in force; 0: to the end of the block (default 0ns)
---@field every? grit.time from one start to the next; 0: twice as long as it lasts with `count`, else it is not repeated (default 0ns)
---@field count? grit.count how many times in a block; 0: as many as fit (default 0; at most 10000)
---@field schedule? "regular"|"poisson" "poisson": at random, `every` apart on average (default "regular")
---@field at_step? grit.count counted from the start of this step of the block; the first is 0 (default 0)
---@field follows? string counted from an edge of this fault (its label or name) of the same node
---@field edge? "applied"|"reverted" of the followed fault: first in force, or off at last (default "reverted")
---@field label? string what `follows` calls this one; else its name
---@field swizzle? grit.time its nodes begin and end one after another, in random order, so long (default 0ns)

---@class grit.fault.process_pause.params
---@field on? grit.nodes the nodes it acts on (default "any")
---@field rank? grit.ranks which ranks of the node: "0" is its first, "0,2-3" several; "all"; or of the whole job, by coordinates: { tp = 1 } (default "all")
---@field pause? grit.time how long; a block does not end while a rank of it is stopped (default 500ms; at least 1ms)
---@field after? grit.time from the start of the block to the pause (default 200ms)
---@field every? grit.time from one start to the next; 0: twice as long as it lasts with `count`, else it is not repeated (default 0ns)
---@field count? grit.count how many times in a block; 0: as many as fit (default 0; at most 10000)
---@field schedule? "regular"|"poisson" "poisson": at random, `every` apart on average (default "regular")
---@field at_step? grit.count counted from the start of this step of the block; the first is 0 (default 0)
---@field follows? string counted from an edge of this fault (its label or name) of the same node
---@field edge? "applied"|"reverted" of the followed fault: first in force, or off at last (default "reverted")
---@field label? string what `follows` calls this one; else its name
---@field swizzle? grit.time its nodes begin and end one after another, in random order, so long (default 0ns)

---@class grit.fault.process_kill.params
---@field on? grit.nodes the nodes it acts on (default "any")
---@field rank? grit.ranks which ranks of the node: "0" is its first, "0,2-3" several; "all"; or of the whole job, by coordinates: { tp = 1 } (default "0")
---@field after? grit.time from the start of the block (or at_step, follows) to the first time (default 0ns)
---@field lasts? grit.time how long it is in force; 0: to the end of the block (default 0ns)
---@field every? grit.time from one start to the next; 0: twice as long as it lasts with `count`, else it is not repeated (default 0ns)
---@field count? grit.count how many times in a block; 0: as many as fit (default 0; at most 10000)
---@field schedule? "regular"|"poisson" "poisson": at random, `every` apart on average (default "regular")
---@field at_step? grit.count counted from the start of this step of the block; the first is 0 (default 0)
---@field follows? string counted from an edge of this fault (its label or name) of the same node
---@field edge? "applied"|"reverted" of the followed fault: first in force, or off at last (default "reverted")
---@field label? string what `follows` calls this one; else its name
---@field swizzle? grit.time its nodes begin and end one after another, in random order, so long (default 0ns)

---@class grit.fault.rank_delay.params
---@field on? grit.nodes the nodes it acts on (default "any")
---@field rank? grit.ranks which ranks of the node: "0" is its first, "0,2-3" several; "all"; or of the whole job, by coordinates: { tp = 1 } (default "0")
---@field delay? grit.time how long it waits in a step (default 10ms)
---@field jitter? grit.time at random up to so much longer (default 0ns)
---@field every_steps? grit.count in every so many-th step only (default 1; at least 1)
---@field after? grit.time from the start of the block (or at_step, follows) to the first time (default 0ns)
---@field lasts? grit.time how long it is in force; 0: to the end of the block (default 0ns)
---@field every? grit.time from one start to the next; 0: twice as long as it lasts with `count`, else it is not repeated (default 0ns)
---@field count? grit.count how many times in a block; 0: as many as fit (default 0; at most 10000)
---@field schedule? "regular"|"poisson" "poisson": at random, `every` apart on average (default "regular")
---@field at_step? grit.count counted from the start of this step of the block; the first is 0 (default 0)
---@field follows? string counted from an edge of this fault (its label or name) of the same node
---@field edge? "applied"|"reverted" of the followed fault: first in force, or off at last (default "reverted")
---@field label? string what `follows` calls this one; else its name
---@field swizzle? grit.time its nodes begin and end one after another, in random order, so long (default 0ns)
---@field ramp? grit.time for so long the dose grows; 0: it is whole from the start (default 0ns)
---@field ramp_steps? grit.count in so many equal steps (default 4; 2 to 100)

---@class grit.fault.imbalance.params
---@field on? grit.nodes the nodes it acts on (default "any")
---@field rank? grit.ranks which ranks of the node: "0" is its first, "0,2-3" several; "all"; or of the whole job, by coordinates: { tp = 1 } (default "all")
---@field share? grit.fraction by which the preferred expert gets more tokens than it would, at most all of them (default 50%; 0.0001% to 100000%)
---@field after? grit.time from the start of the block (or at_step, follows) to the first time (default 0ns)
---@field lasts? grit.time how long it is in force; 0: to the end of the block (default 0ns)
---@field every? grit.time from one start to the next; 0: twice as long as it lasts with `count`, else it is not repeated (default 0ns)
---@field count? grit.count how many times in a block; 0: as many as fit (default 0; at most 10000)
---@field schedule? "regular"|"poisson" "poisson": at random, `every` apart on average (default "regular")
---@field at_step? grit.count counted from the start of this step of the block; the first is 0 (default 0)
---@field follows? string counted from an edge of this fault (its label or name) of the same node
---@field edge? "applied"|"reverted" of the followed fault: first in force, or off at last (default "reverted")
---@field label? string what `follows` calls this one; else its name
---@field swizzle? grit.time its nodes begin and end one after another, in random order, so long (default 0ns)
---@field ramp? grit.time for so long the dose grows; 0: it is whole from the start (default 0ns)
---@field ramp_steps? grit.count in so many equal steps (default 4; 2 to 100)

---@class grit.fault.bit_flip.params
---@field on? grit.nodes the nodes it acts on (default "any")
---@field rank? grit.ranks which ranks of the node: "0" is its first, "0,2-3" several; "all"; or of the whole job, by coordinates: { tp = 1 } (default "0")
---@field bit? string which bit of the element: counted from 0, the lowest; "mantissa": its highest bit, "exponent": its lowest bit, "sign"; "any": another one in each step (default "mantissa")
---@field every_steps? grit.count in every so many-th step (default 1; at least 1)
---@field seed? grit.count chooses the element, another one in each step (default 1)
---@field after? grit.time from the start of the block (or at_step, follows) to the first time (default 0ns)
---@field lasts? grit.time how long it is in force; 0: to the end of the block (default 0ns)
---@field every? grit.time from one start to the next; 0: twice as long as it lasts with `count`, else it is not repeated (default 0ns)
---@field count? grit.count how many times in a block; 0: as many as fit (default 0; at most 10000)
---@field schedule? "regular"|"poisson" "poisson": at random, `every` apart on average (default "regular")
---@field at_step? grit.count counted from the start of this step of the block; the first is 0 (default 0)
---@field follows? string counted from an edge of this fault (its label or name) of the same node
---@field edge? "applied"|"reverted" of the followed fault: first in force, or off at last (default "reverted")
---@field label? string what `follows` calls this one; else its name
---@field swizzle? grit.time its nodes begin and end one after another, in random order, so long (default 0ns)

---@class grit.fault.numa_misplacement.params
---@field on? grit.nodes the nodes it acts on (default "any")
---@field rank? grit.ranks which ranks of the node: "0" is its first, "0,2-3" several; "all"; or of the whole job, by coordinates: { tp = 1 } (default "all")
---@field after? grit.time from the start of the block (or at_step, follows) to the first time (default 0ns)
---@field lasts? grit.time how long it is in force; 0: to the end of the block (default 0ns)
---@field every? grit.time from one start to the next; 0: twice as long as it lasts with `count`, else it is not repeated (default 0ns)
---@field count? grit.count how many times in a block; 0: as many as fit (default 0; at most 10000)
---@field schedule? "regular"|"poisson" "poisson": at random, `every` apart on average (default "regular")
---@field at_step? grit.count counted from the start of this step of the block; the first is 0 (default 0)
---@field follows? string counted from an edge of this fault (its label or name) of the same node
---@field edge? "applied"|"reverted" of the followed fault: first in force, or off at last (default "reverted")
---@field label? string what `follows` calls this one; else its name
---@field swizzle? grit.time its nodes begin and end one after another, in random order, so long (default 0ns)

---@class grit.fault.affinity_squeeze.params
---@field on? grit.nodes the nodes it acts on (default "any")
---@field rank? grit.ranks which ranks of the node: "0" is its first, "0,2-3" several; "all"; or of the whole job, by coordinates: { tp = 1 } (default "all")
---@field cpus? grit.count how many CPUs they share: the first of those that they may run on (default 1; at least 1)
---@field after? grit.time from the start of the block (or at_step, follows) to the first time (default 0ns)
---@field lasts? grit.time how long it is in force; 0: to the end of the block (default 0ns)
---@field every? grit.time from one start to the next; 0: twice as long as it lasts with `count`, else it is not repeated (default 0ns)
---@field count? grit.count how many times in a block; 0: as many as fit (default 0; at most 10000)
---@field schedule? "regular"|"poisson" "poisson": at random, `every` apart on average (default "regular")
---@field at_step? grit.count counted from the start of this step of the block; the first is 0 (default 0)
---@field follows? string counted from an edge of this fault (its label or name) of the same node
---@field edge? "applied"|"reverted" of the followed fault: first in force, or off at last (default "reverted")
---@field label? string what `follows` calls this one; else its name
---@field swizzle? grit.time its nodes begin and end one after another, in random order, so long (default 0ns)

---@class grit.fault.irq_misplacement.params
---@field on? grit.nodes the nodes it acts on (default "any")
---@field nic? string "data": the data NIC that the job is told to use, or the first; "all": every one, each with a fault of its own; "rail:1": the second of them; or the name of an interface (default "data")
---@field cores? string "rank": those that the node's ranks may run on; "all"; or a list "0,2-3" (default "rank")
---@field after? grit.time from the start of the block (or at_step, follows) to the first time (default 0ns)
---@field lasts? grit.time how long it is in force; 0: to the end of the block (default 0ns)
---@field every? grit.time from one start to the next; 0: twice as long as it lasts with `count`, else it is not repeated (default 0ns)
---@field count? grit.count how many times in a block; 0: as many as fit (default 0; at most 10000)
---@field schedule? "regular"|"poisson" "poisson": at random, `every` apart on average (default "regular")
---@field at_step? grit.count counted from the start of this step of the block; the first is 0 (default 0)
---@field follows? string counted from an edge of this fault (its label or name) of the same node
---@field edge? "applied"|"reverted" of the followed fault: first in force, or off at last (default "reverted")
---@field label? string what `follows` calls this one; else its name
---@field swizzle? grit.time its nodes begin and end one after another, in random order, so long (default 0ns)

---@class grit.fault.clock_skew.params
---@field on? grit.nodes the nodes it acts on (default "any")
---@field offset? grit.time by how much (default 500ms; 1ms to 86400s)
---@field direction? "ahead"|"behind" of the right time (default "ahead")
---@field after? grit.time from the start of the block (or at_step, follows) to the first time (default 0ns)
---@field lasts? grit.time how long it is in force; 0: to the end of the block (default 0ns)
---@field every? grit.time from one start to the next; 0: twice as long as it lasts with `count`, else it is not repeated (default 0ns)
---@field count? grit.count how many times in a block; 0: as many as fit (default 0; at most 10000)
---@field schedule? "regular"|"poisson" "poisson": at random, `every` apart on average (default "regular")
---@field at_step? grit.count counted from the start of this step of the block; the first is 0 (default 0)
---@field follows? string counted from an edge of this fault (its label or name) of the same node
---@field edge? "applied"|"reverted" of the followed fault: first in force, or off at last (default "reverted")
---@field label? string what `follows` calls this one; else its name
---@field swizzle? grit.time its nodes begin and end one after another, in random order, so long (default 0ns)

---@class grit.fault.kernel_log.params
---@field on? grit.nodes the nodes it acts on (default "any")
---@field text? string the line, without the "grit-injected: " that it begins with (default "NVRM: Xid (PCI:0000:00:00): 79, GPU has fallen off the bus.")
---@field level? "emerg"|"alert"|"crit"|"err"|"warning"|"notice"|"info"|"debug" how severe (default "warning")
---@field after? grit.time from the start of the block (or at_step, follows) to the first time (default 0ns)
---@field lasts? grit.time how long it is in force; 0: to the end of the block (default 0ns)
---@field every? grit.time from one start to the next; 0: twice as long as it lasts with `count`, else it is not repeated (default 0ns)
---@field count? grit.count how many times in a block; 0: as many as fit (default 0; at most 10000)
---@field schedule? "regular"|"poisson" "poisson": at random, `every` apart on average (default "regular")
---@field at_step? grit.count counted from the start of this step of the block; the first is 0 (default 0)
---@field follows? string counted from an edge of this fault (its label or name) of the same node
---@field edge? "applied"|"reverted" of the followed fault: first in force, or off at last (default "reverted")
---@field label? string what `follows` calls this one; else its name
---@field swizzle? grit.time its nodes begin and end one after another, in random order, so long (default 0ns)

---@class grit.fault.site_check.params
---@field on? grit.nodes the nodes it acts on (default "any")
---@field check? string one of grit's (`grit list checks`), run by `grit check`; or:
---@field command? string a line for /bin/sh -c (only with --allow-command)
---@field limit grit.time how long it may take, within a block; it is killed then (Slurm: 60 s, slurm.conf(5)) (10ms to 600s)
---@field cores? string where: "all", as for a daemon of the node; "rank": those of the ranks; "beside": those that no rank has, if there are such; or a list "0,2-3" (default "all")
---@field after? grit.time from the start of the block (or at_step, follows) to the first time (default 0ns)
---@field lasts? grit.time how long it is in force; 0: to the end of the block (default 0ns)
---@field every? grit.time from one start to the next; 0: twice as long as it lasts with `count`, else it is not repeated (default 0ns)
---@field count? grit.count how many times in a block; 0: as many as fit (default 0; at most 10000)
---@field schedule? "regular"|"poisson" "poisson": at random, `every` apart on average (default "regular")
---@field at_step? grit.count counted from the start of this step of the block; the first is 0 (default 0)
---@field follows? string counted from an edge of this fault (its label or name) of the same node
---@field edge? "applied"|"reverted" of the followed fault: first in force, or off at last (default "reverted")
---@field label? string what `follows` calls this one; else its name
---@field swizzle? grit.time its nodes begin and end one after another, in random order, so long (default 0ns)

---@class grit.fault.command.params
---@field on? grit.nodes the nodes it acts on (default "any")
---@field apply string puts it in force, and ends
---@field evidence string ends with status 0 when it is in force, and prints what it saw
---@field counter string prints a number that moves when it acts
---@field revert string puts everything back; also when there is nothing to put back
---@field timeout? grit.time a command that takes longer is killed and has failed (default 5s; 1ms to 600s)
---@field after? grit.time from the start of the block (or at_step, follows) to the first time (default 0ns)
---@field lasts? grit.time how long it is in force; 0: to the end of the block (default 0ns)
---@field every? grit.time from one start to the next; 0: twice as long as it lasts with `count`, else it is not repeated (default 0ns)
---@field count? grit.count how many times in a block; 0: as many as fit (default 0; at most 10000)
---@field schedule? "regular"|"poisson" "poisson": at random, `every` apart on average (default "regular")
---@field at_step? grit.count counted from the start of this step of the block; the first is 0 (default 0)
---@field follows? string counted from an edge of this fault (its label or name) of the same node
---@field edge? "applied"|"reverted" of the followed fault: first in force, or off at last (default "reverted")
---@field label? string what `follows` calls this one; else its name
---@field swizzle? grit.time its nodes begin and end one after another, in random order, so long (default 0ns)

---@class grit.workload.ddp.params
---@field model? "gpt2-small"|"gpt2-medium"|"gpt2-large"|"gpt2-xl"|"bert-base"|"bert-large"|"llama2-7b"|"llama3-8b"|"llama3-70b"|"mixtral-8x7b"|"olmoe-1b-7b" the published model whose layers are trained (default "gpt2-small")
---@field scale? number|string the share of every layer's parameters and FLOPs that is kept; buckets shrink alike, so that a step has the model's own number of collectives (default 0.02; 0.000001 to 1)
---@field dtype? "fp32"|"bf16"|"fp16" the type in which gradients are moved and summed (default "bf16")
---@field bucket? grit.bytes gradients put into one all-reduce, at scale 1 (bucket_cap_mb of PyTorch's DistributedDataParallel; the first bucket of a step is at most 1MiB) (default 25MiB; at least 1B)
---@field micro_batches? grit.count sequences a rank works on in a step; gradients are reduced with the last one (default 1; at least 1)
---@field overlap? boolean|"true"|"false" start a bucket's all-reduce as soon as it is full, while backward goes on (default true)
---@field compute? "emulated"|"cpu"|"cuda" emulated: timer-driven accelerator, the CPU stays free; cpu: real matrix products on one core; cuda: real ones on a GPU for each rank, where the data are as well, moved by NCCL (default "emulated")
---@field peak? grit.flop_rate speed of the emulated accelerator (default 1TFLOP/s; at least 1MFLOP/s)
---@field products? "dtype"|"fp8" cuda: the type of what is multiplied; dtype: that of the workload's dtype; fp8: E4M3, on a GPU that has it (default "dtype")
---@field patience? grit.time cuda: how long an operation between ranks may take before it is said to hang and the job ends (the timeout of torch.distributed) (default 600s; at least 1s)
---@field checkpoint_every? grit.count steps from one checkpoint to the next; 0: none (default 0; at most 1000000000)
---@field checkpoint_mode? "synchronous"|"asynchronous" synchronous: the step ends when its checkpoint is on the disk; asynchronous: when the rank has copied what it saves, which a thread writes beside the steps that follow, as async_save of torch.distributed.checkpoint does; the next checkpoint waits for it (default "synchronous")
---@field checkpoint? grit.bytes bytes a rank writes for a checkpoint; 0: its share of the scaled model's state under mixed-precision Adam, 14 bytes a parameter; a rank without a share writes none (default 0B)
---@field helper_threads? grit.count threads of a rank that copy what it sends to the network's buffers before an operation and what it gets back after it, as NCCL's proxies do without GPUDirect; 0: there is nothing to copy (default 0; at most 64)
---@field input? "generated"|"files" generated: token ids from a seeded generator; files: read, decoded and checked, from a file that each rank makes before the first step, and that has no name (default "generated")
---@field input_workers? grit.count processes of each rank that read and decode; 0: the rank does it itself (default 2; at most 64)
---@field input_prefetch? grit.count micro-batches that each of them keeps ahead (default 2; 1 to 64)
---@field input_bytes? grit.size read for a micro-batch, in whole pages of 4 KiB; at least one (default 1MiB; 1 to 1GiB)
---@field input_passes? grit.count how often each byte is worked on when it is decoded (default 4; 1 to 1000000)
---@field input_file? grit.size of each rank's file, which is gone round in; at least one micro-batch (default 64MiB; 1 to 1TB)
---@field input_direct? boolean|"true"|"false" read past the page cache (O_DIRECT), as of data that do not fit into memory; else they come from it unless something else takes its place (default false)

---@class grit.workload.fsdp.params
---@field model? "gpt2-small"|"gpt2-medium"|"gpt2-large"|"gpt2-xl"|"bert-base"|"bert-large"|"llama2-7b"|"llama3-8b"|"llama3-70b"|"mixtral-8x7b"|"olmoe-1b-7b" the published model whose layers are trained (default "gpt2-small")
---@field scale? number|string the share of every layer's parameters, FLOPs and activations that is kept; layers, tensors, tokens and the number of operations stay as they are (default 0.02; 0.000001 to 1)
---@field dtype? "fp32"|"bf16"|"fp16" the type in which parameters, activations and gradients are moved (default "bf16")
---@field sequence? grit.count tokens of a micro-batch, which is one sequence (default 1024; 1 to 1000000)
---@field micro_batches? grit.count sequences a rank works on in a step, before the optimizer (default 1; 1 to 65536)
---@field compute? "emulated"|"cpu"|"cuda" emulated: timer-driven accelerator, the CPU stays free; cpu: real matrix products on one core; cuda: real ones on a GPU for each rank, where the data are as well, moved by NCCL (default "emulated")
---@field peak? grit.flop_rate speed of the emulated accelerator (default 1TFLOP/s; at least 1MFLOP/s)
---@field products? "dtype"|"fp8" cuda: the type of what is multiplied; dtype: that of the workload's dtype; fp8: E4M3, on a GPU that has it (default "dtype")
---@field patience? grit.time cuda: how long an operation between ranks may take before it is said to hang and the job ends (the timeout of torch.distributed) (default 600s; at least 1s)
---@field checkpoint_every? grit.count steps from one checkpoint to the next; 0: none (default 0; at most 1000000000)
---@field checkpoint_mode? "synchronous"|"asynchronous" synchronous: the step ends when its checkpoint is on the disk; asynchronous: when the rank has copied what it saves, which a thread writes beside the steps that follow, as async_save of torch.distributed.checkpoint does; the next checkpoint waits for it (default "synchronous")
---@field checkpoint? grit.bytes bytes a rank writes for a checkpoint; 0: its share of the scaled model's state under mixed-precision Adam, 14 bytes a parameter; a rank without a share writes none (default 0B)
---@field helper_threads? grit.count threads of a rank that copy what it sends to the network's buffers before an operation and what it gets back after it, as NCCL's proxies do without GPUDirect; 0: there is nothing to copy (default 0; at most 64)
---@field input? "generated"|"files" generated: token ids from a seeded generator; files: read, decoded and checked, from a file that each rank makes before the first step, and that has no name (default "generated")
---@field input_workers? grit.count processes of each rank that read and decode; 0: the rank does it itself (default 2; at most 64)
---@field input_prefetch? grit.count micro-batches that each of them keeps ahead (default 2; 1 to 64)
---@field input_bytes? grit.size read for a micro-batch, in whole pages of 4 KiB; at least one (default 1MiB; 1 to 1GiB)
---@field input_passes? grit.count how often each byte is worked on when it is decoded (default 4; 1 to 1000000)
---@field input_file? grit.size of each rank's file, which is gone round in; at least one micro-batch (default 64MiB; 1 to 1TB)
---@field input_direct? boolean|"true"|"false" read past the page cache (O_DIRECT), as of data that do not fit into memory; else they come from it unless something else takes its place (default false)
---@field reshard? boolean|"true"|"false" with sharded parameters: let go of a layer's parameters after its forward pass and gather them again for backward (default true)
---@field prefetch? grit.count with sharded parameters: layers whose parameters are gathered ahead of the one that is worked on (default 1; at most 64)

---@class grit.workload.tensor.params
---@field model? "gpt2-small"|"gpt2-medium"|"gpt2-large"|"gpt2-xl"|"bert-base"|"bert-large"|"llama2-7b"|"llama3-8b"|"llama3-70b"|"mixtral-8x7b"|"olmoe-1b-7b" the published model whose layers are trained (default "gpt2-small")
---@field scale? number|string the share of every layer's parameters, FLOPs and activations that is kept; layers, tensors, tokens and the number of operations stay as they are (default 0.02; 0.000001 to 1)
---@field dtype? "fp32"|"bf16"|"fp16" the type in which parameters, activations and gradients are moved (default "bf16")
---@field sequence? grit.count tokens of a micro-batch, which is one sequence (default 1024; 1 to 1000000)
---@field micro_batches? grit.count sequences a rank works on in a step, before the optimizer (default 1; 1 to 65536)
---@field compute? "emulated"|"cpu"|"cuda" emulated: timer-driven accelerator, the CPU stays free; cpu: real matrix products on one core; cuda: real ones on a GPU for each rank, where the data are as well, moved by NCCL (default "emulated")
---@field peak? grit.flop_rate speed of the emulated accelerator (default 1TFLOP/s; at least 1MFLOP/s)
---@field products? "dtype"|"fp8" cuda: the type of what is multiplied; dtype: that of the workload's dtype; fp8: E4M3, on a GPU that has it (default "dtype")
---@field patience? grit.time cuda: how long an operation between ranks may take before it is said to hang and the job ends (the timeout of torch.distributed) (default 600s; at least 1s)
---@field checkpoint_every? grit.count steps from one checkpoint to the next; 0: none (default 0; at most 1000000000)
---@field checkpoint_mode? "synchronous"|"asynchronous" synchronous: the step ends when its checkpoint is on the disk; asynchronous: when the rank has copied what it saves, which a thread writes beside the steps that follow, as async_save of torch.distributed.checkpoint does; the next checkpoint waits for it (default "synchronous")
---@field checkpoint? grit.bytes bytes a rank writes for a checkpoint; 0: its share of the scaled model's state under mixed-precision Adam, 14 bytes a parameter; a rank without a share writes none (default 0B)
---@field helper_threads? grit.count threads of a rank that copy what it sends to the network's buffers before an operation and what it gets back after it, as NCCL's proxies do without GPUDirect; 0: there is nothing to copy (default 0; at most 64)
---@field input? "generated"|"files" generated: token ids from a seeded generator; files: read, decoded and checked, from a file that each rank makes before the first step, and that has no name (default "generated")
---@field input_workers? grit.count processes of each rank that read and decode; 0: the rank does it itself (default 2; at most 64)
---@field input_prefetch? grit.count micro-batches that each of them keeps ahead (default 2; 1 to 64)
---@field input_bytes? grit.size read for a micro-batch, in whole pages of 4 KiB; at least one (default 1MiB; 1 to 1GiB)
---@field input_passes? grit.count how often each byte is worked on when it is decoded (default 4; 1 to 1000000)
---@field input_file? grit.size of each rank's file, which is gone round in; at least one micro-batch (default 64MiB; 1 to 1TB)
---@field input_direct? boolean|"true"|"false" read past the page cache (O_DIRECT), as of data that do not fit into memory; else they come from it unless something else takes its place (default false)
---@field bucket? grit.bytes without sharded parameters: gradients put into one all-reduce, at scale 1; the first bucket is at most 1MiB (default 25MiB; at least 1B)
---@field sequence_parallel? boolean|"true"|"false" tp: divide what is between the matrices by tokens, with all-gather and reduce-scatter in place of the all-reduces (default false)

---@class grit.workload.pipeline.params
---@field model? "gpt2-small"|"gpt2-medium"|"gpt2-large"|"gpt2-xl"|"bert-base"|"bert-large"|"llama2-7b"|"llama3-8b"|"llama3-70b"|"mixtral-8x7b"|"olmoe-1b-7b" the published model whose layers are trained (default "gpt2-small")
---@field scale? number|string the share of every layer's parameters, FLOPs and activations that is kept; layers, tensors, tokens and the number of operations stay as they are (default 0.02; 0.000001 to 1)
---@field dtype? "fp32"|"bf16"|"fp16" the type in which parameters, activations and gradients are moved (default "bf16")
---@field sequence? grit.count tokens of a micro-batch, which is one sequence (default 1024; 1 to 1000000)
---@field micro_batches? grit.count sequences a rank works on in a step, before the optimizer (default 8; 1 to 65536)
---@field compute? "emulated"|"cpu"|"cuda" emulated: timer-driven accelerator, the CPU stays free; cpu: real matrix products on one core; cuda: real ones on a GPU for each rank, where the data are as well, moved by NCCL (default "emulated")
---@field peak? grit.flop_rate speed of the emulated accelerator (default 1TFLOP/s; at least 1MFLOP/s)
---@field products? "dtype"|"fp8" cuda: the type of what is multiplied; dtype: that of the workload's dtype; fp8: E4M3, on a GPU that has it (default "dtype")
---@field patience? grit.time cuda: how long an operation between ranks may take before it is said to hang and the job ends (the timeout of torch.distributed) (default 600s; at least 1s)
---@field checkpoint_every? grit.count steps from one checkpoint to the next; 0: none (default 0; at most 1000000000)
---@field checkpoint_mode? "synchronous"|"asynchronous" synchronous: the step ends when its checkpoint is on the disk; asynchronous: when the rank has copied what it saves, which a thread writes beside the steps that follow, as async_save of torch.distributed.checkpoint does; the next checkpoint waits for it (default "synchronous")
---@field checkpoint? grit.bytes bytes a rank writes for a checkpoint; 0: its share of the scaled model's state under mixed-precision Adam, 14 bytes a parameter; a rank without a share writes none (default 0B)
---@field helper_threads? grit.count threads of a rank that copy what it sends to the network's buffers before an operation and what it gets back after it, as NCCL's proxies do without GPUDirect; 0: there is nothing to copy (default 0; at most 64)
---@field input? "generated"|"files" generated: token ids from a seeded generator; files: read, decoded and checked, from a file that each rank makes before the first step, and that has no name (default "generated")
---@field input_workers? grit.count processes of each rank that read and decode; 0: the rank does it itself (default 2; at most 64)
---@field input_prefetch? grit.count micro-batches that each of them keeps ahead (default 2; 1 to 64)
---@field input_bytes? grit.size read for a micro-batch, in whole pages of 4 KiB; at least one (default 1MiB; 1 to 1GiB)
---@field input_passes? grit.count how often each byte is worked on when it is decoded (default 4; 1 to 1000000)
---@field input_file? grit.size of each rank's file, which is gone round in; at least one micro-batch (default 64MiB; 1 to 1TB)
---@field input_direct? boolean|"true"|"false" read past the page cache (O_DIRECT), as of data that do not fit into memory; else they come from it unless something else takes its place (default false)
---@field bucket? grit.bytes without sharded parameters: gradients put into one all-reduce, at scale 1; the first bucket is at most 1MiB (default 25MiB; at least 1B)
---@field chunks? grit.count pp: parts of the model that each stage has; above 1 the schedule is interleaved (default 1; 1 to 1024)

---@class grit.workload.moe.params
---@field model? "gpt2-small"|"gpt2-medium"|"gpt2-large"|"gpt2-xl"|"bert-base"|"bert-large"|"llama2-7b"|"llama3-8b"|"llama3-70b"|"mixtral-8x7b"|"olmoe-1b-7b" the published model whose layers are trained (default "olmoe-1b-7b")
---@field scale? number|string the share of every layer's parameters, FLOPs and activations that is kept; layers, tensors, tokens and the number of operations stay as they are (default 0.002; 0.000001 to 1)
---@field dtype? "fp32"|"bf16"|"fp16" the type in which parameters, activations and gradients are moved (default "bf16")
---@field sequence? grit.count tokens of a micro-batch, which is one sequence (default 1024; 1 to 1000000)
---@field micro_batches? grit.count sequences a rank works on in a step, before the optimizer (default 1; 1 to 65536)
---@field compute? "emulated"|"cpu"|"cuda" emulated: timer-driven accelerator, the CPU stays free; cpu: real matrix products on one core; cuda: real ones on a GPU for each rank, where the data are as well, moved by NCCL (default "emulated")
---@field peak? grit.flop_rate speed of the emulated accelerator (default 1TFLOP/s; at least 1MFLOP/s)
---@field products? "dtype"|"fp8" cuda: the type of what is multiplied; dtype: that of the workload's dtype; fp8: E4M3, on a GPU that has it (default "dtype")
---@field patience? grit.time cuda: how long an operation between ranks may take before it is said to hang and the job ends (the timeout of torch.distributed) (default 600s; at least 1s)
---@field checkpoint_every? grit.count steps from one checkpoint to the next; 0: none (default 0; at most 1000000000)
---@field checkpoint_mode? "synchronous"|"asynchronous" synchronous: the step ends when its checkpoint is on the disk; asynchronous: when the rank has copied what it saves, which a thread writes beside the steps that follow, as async_save of torch.distributed.checkpoint does; the next checkpoint waits for it (default "synchronous")
---@field checkpoint? grit.bytes bytes a rank writes for a checkpoint; 0: its share of the scaled model's state under mixed-precision Adam, 14 bytes a parameter; a rank without a share writes none (default 0B)
---@field helper_threads? grit.count threads of a rank that copy what it sends to the network's buffers before an operation and what it gets back after it, as NCCL's proxies do without GPUDirect; 0: there is nothing to copy (default 0; at most 64)
---@field input? "generated"|"files" generated: token ids from a seeded generator; files: read, decoded and checked, from a file that each rank makes before the first step, and that has no name (default "generated")
---@field input_workers? grit.count processes of each rank that read and decode; 0: the rank does it itself (default 2; at most 64)
---@field input_prefetch? grit.count micro-batches that each of them keeps ahead (default 2; 1 to 64)
---@field input_bytes? grit.size read for a micro-batch, in whole pages of 4 KiB; at least one (default 1MiB; 1 to 1GiB)
---@field input_passes? grit.count how often each byte is worked on when it is decoded (default 4; 1 to 1000000)
---@field input_file? grit.size of each rank's file, which is gone round in; at least one micro-batch (default 64MiB; 1 to 1TB)
---@field input_direct? boolean|"true"|"false" read past the page cache (O_DIRECT), as of data that do not fit into memory; else they come from it unless something else takes its place (default false)
---@field bucket? grit.bytes without sharded parameters: gradients put into one all-reduce, at scale 1; the first bucket is at most 1MiB (default 25MiB; at least 1B)
---@field balance? number|string ep: how many times its fair share of the tokens the router sends to one expert of each layer; 1: even (default 1; at least 1)

---@class grit.workload.transformer.params
---@field model? "gpt2-small"|"gpt2-medium"|"gpt2-large"|"gpt2-xl"|"bert-base"|"bert-large"|"llama2-7b"|"llama3-8b"|"llama3-70b"|"mixtral-8x7b"|"olmoe-1b-7b" the published model whose layers are trained (default "gpt2-small")
---@field scale? number|string the share of every layer's parameters, FLOPs and activations that is kept; layers, tensors, tokens and the number of operations stay as they are (default 0.02; 0.000001 to 1)
---@field dtype? "fp32"|"bf16"|"fp16" the type in which parameters, activations and gradients are moved (default "bf16")
---@field sequence? grit.count tokens of a micro-batch, which is one sequence (default 1024; 1 to 1000000)
---@field micro_batches? grit.count sequences a rank works on in a step, before the optimizer (default 8; 1 to 65536)
---@field compute? "emulated"|"cpu"|"cuda" emulated: timer-driven accelerator, the CPU stays free; cpu: real matrix products on one core; cuda: real ones on a GPU for each rank, where the data are as well, moved by NCCL (default "emulated")
---@field peak? grit.flop_rate speed of the emulated accelerator (default 1TFLOP/s; at least 1MFLOP/s)
---@field products? "dtype"|"fp8" cuda: the type of what is multiplied; dtype: that of the workload's dtype; fp8: E4M3, on a GPU that has it (default "dtype")
---@field patience? grit.time cuda: how long an operation between ranks may take before it is said to hang and the job ends (the timeout of torch.distributed) (default 600s; at least 1s)
---@field checkpoint_every? grit.count steps from one checkpoint to the next; 0: none (default 0; at most 1000000000)
---@field checkpoint_mode? "synchronous"|"asynchronous" synchronous: the step ends when its checkpoint is on the disk; asynchronous: when the rank has copied what it saves, which a thread writes beside the steps that follow, as async_save of torch.distributed.checkpoint does; the next checkpoint waits for it (default "synchronous")
---@field checkpoint? grit.bytes bytes a rank writes for a checkpoint; 0: its share of the scaled model's state under mixed-precision Adam, 14 bytes a parameter; a rank without a share writes none (default 0B)
---@field helper_threads? grit.count threads of a rank that copy what it sends to the network's buffers before an operation and what it gets back after it, as NCCL's proxies do without GPUDirect; 0: there is nothing to copy (default 0; at most 64)
---@field input? "generated"|"files" generated: token ids from a seeded generator; files: read, decoded and checked, from a file that each rank makes before the first step, and that has no name (default "generated")
---@field input_workers? grit.count processes of each rank that read and decode; 0: the rank does it itself (default 2; at most 64)
---@field input_prefetch? grit.count micro-batches that each of them keeps ahead (default 2; 1 to 64)
---@field input_bytes? grit.size read for a micro-batch, in whole pages of 4 KiB; at least one (default 1MiB; 1 to 1GiB)
---@field input_passes? grit.count how often each byte is worked on when it is decoded (default 4; 1 to 1000000)
---@field input_file? grit.size of each rank's file, which is gone round in; at least one micro-batch (default 64MiB; 1 to 1TB)
---@field input_direct? boolean|"true"|"false" read past the page cache (O_DIRECT), as of data that do not fit into memory; else they come from it unless something else takes its place (default false)
---@field sharded? boolean|"true"|"false" divide parameters, gradients and optimizer state over dp (and experts' over those ranks that hold the same): gather parameters layer by layer and scatter the sums of gradients, instead of summing buckets (default false)
---@field reshard? boolean|"true"|"false" with sharded parameters: let go of a layer's parameters after its forward pass and gather them again for backward (default true)
---@field prefetch? grit.count with sharded parameters: layers whose parameters are gathered ahead of the one that is worked on (default 1; at most 64)
---@field bucket? grit.bytes without sharded parameters: gradients put into one all-reduce, at scale 1; the first bucket is at most 1MiB (default 25MiB; at least 1B)
---@field sequence_parallel? boolean|"true"|"false" tp: divide what is between the matrices by tokens, with all-gather and reduce-scatter in place of the all-reduces (default false)
---@field chunks? grit.count pp: parts of the model that each stage has; above 1 the schedule is interleaved (default 1; 1 to 1024)
---@field balance? number|string ep: how many times its fair share of the tokens the router sends to one expert of each layer; 1: even (default 1; at least 1)

---@class grit.check.link_up.params
---@field nic? string "data": all data NICs of the node; "rail:1": the second of them; or the name of an interface (default "data")
---@field every? grit.time how often it is read in a run (default 500ms; at least 100ms)
---@field limit? grit.time a reading that takes longer is ended, and unknown (default 2s; 1ms to 55s)
---@field blocks? "all"|"fault" in which blocks of a run it is read; "fault", in a scenario without faults: the run shows what reading it costs (default "all")
---@field name? string what it is called in the report (default: as the check)

---@class grit.check.link_carrier.params
---@field nic? string "data": all data NICs of the node; "rail:1": the second of them; or the name of an interface (default "data")
---@field within? grit.time how long a loss counts, within one block (grit's own choice) (default 600s; at least 1s)
---@field flaps_warning? grit.count this many losses of the carrier alarm (NVSentinel's nic-health-monitor: any flap is an event) (default 1)
---@field flaps_critical? grit.count this many are critical; off, for nobody publishes a limit (default 0)
---@field down_warning? grit.time surely without a carrier for so long altogether (grit's own choice) (default 100ms)
---@field down_critical? grit.time what ends NCCL jobs on InfiniBand by the account of Databricks; altogether, as their gpu-monitor counts (default 7s)
---@field per_outage? boolean|"true"|"false" hold the two times against each outage by itself, as checks do that wait for one long outage (default false)
---@field every? grit.time how often it is read in a run (default 500ms; at least 100ms)
---@field limit? grit.time a reading that takes longer is ended, and unknown (default 2s; 1ms to 55s)
---@field blocks? "all"|"fault" in which blocks of a run it is read; "fault", in a scenario without faults: the run shows what reading it costs (default "all")
---@field name? string what it is called in the report (default: as the check)

---@class grit.check.link_settings.params
---@field nic? string "data": all data NICs of the node; "rail:1": the second of them; or the name of an interface (default "data")
---@field mtu? grit.size the MTU they must have; 0: the one before the run (another one contradicts the plan) (default 0)
---@field speed? grit.bit_rate the speed they must have; 0: the one before the run (another one contradicts the plan) (default 0bit/s)
---@field every? grit.time how often it is read in a run (default 2s; at least 100ms)
---@field limit? grit.time a reading that takes longer is ended, and unknown (default 2s; 1ms to 55s)
---@field blocks? "all"|"fault" in which blocks of a run it is read; "fault", in a scenario without faults: the run shows what reading it costs (default "all")
---@field name? string what it is called in the report (default: as the check)

---@class grit.check.nic_errors.params
---@field nic? string "data": all data NICs of the node; "rail:1": the second of them; or the name of an interface (default "data")
---@field drops? number|string packets dropped, missed or overrun a second that alarm, of at least 10 (NetworkDropsRate of Kubernetes' monitoring mixins) (default 10)
---@field errors? number|string errors of one kind a second, over a second at least, that are critical; any is a warning (grit's own choice) (default 10)
---@field every? grit.time how often it is read in a run (default 500ms; at least 100ms)
---@field limit? grit.time a reading that takes longer is ended, and unknown (default 2s; 1ms to 55s)
---@field blocks? "all"|"fault" in which blocks of a run it is read; "fault", in a scenario without faults: the run shows what reading it costs (default "all")
---@field name? string what it is called in the report (default: as the check)

---@class grit.check.nic_queues.params
---@field nic? string "data": all data NICs of the node; "rail:1": the second of them; or the name of an interface (default "data")
---@field drops? number|string packets a second that a NIC, queue or priority had no room for (NetworkDropsRate of Kubernetes' monitoring mixins) (default 10)
---@field pause_share? grit.fraction share of the time in which it paused, or let others pause, where the driver counts that (grit's own choice) (default 1%)
---@field pause_frames? number|string pause frames a second, one way; off, for nobody publishes a limit (default 0)
---@field every? grit.time how often it is read in a run (default 10s; at least 100ms)
---@field limit? grit.time a reading that takes longer is ended, and unknown (default 2s; 1ms to 55s)
---@field blocks? "all"|"fault" in which blocks of a run it is read; "fault", in a scenario without faults: the run shows what reading it costs (default "all")
---@field name? string what it is called in the report (default: as the check)

---@class grit.check.qdisc_drops.params
---@field nic? string "data": all data NICs of the node; "rail:1": the second of them; or the name of an interface (default "data")
---@field drops? grit.fraction share of packets dropped that alarms, of at least 5; ten times as much where the qdisc drops as a signal, as fq_codel does (grit's own choice) (default 0.1%)
---@field overlimits? number|string packets a second that had to wait for their rate (grit's own choice) (default 1)
---@field every? grit.time how often it is read in a run (default 1s; at least 100ms)
---@field limit? grit.time a reading that takes longer is ended, and unknown (default 2s; 1ms to 55s)
---@field blocks? "all"|"fault" in which blocks of a run it is read; "fault", in a scenario without faults: the run shows what reading it costs (default "all")
---@field name? string what it is called in the report (default: as the check)

---@class grit.check.tcp_retransmits.params
---@field share_warning? grit.fraction share of segments that were sent again (grit's own choice) (default 1%)
---@field share_critical? grit.fraction as much is critical (OceanBase OCP's alarm of TCP retransmission) (default 10%)
---@field least_segments? number|string with fewer segments or datagrams a second, over a second at least, there is no share (pmie's rule network.tcp_retransmit) (default 100)
---@field timeouts? grit.count so many retransmission timeouts a minute, each of 200 ms or more, alarm; one does where readings are 6 s apart or less (grit's own choice) (default 10)
---@field aborts? grit.count so many connections a minute given up after their timeouts alarm, one likewise (grit's own choice) (default 10)
---@field full? grit.count so many losses a minute to one full queue or buffer of TCP alarm, one likewise (grit's own choice) (default 10)
---@field udp_share? grit.fraction share of datagrams lost to full receive buffers that alarms (grit's own choice) (default 1%)
---@field every? grit.time how often it is read in a run (default 1s; at least 100ms)
---@field limit? grit.time a reading that takes longer is ended, and unknown (default 2s; 1ms to 55s)
---@field blocks? "all"|"fault" in which blocks of a run it is read; "fault", in a scenario without faults: the run shows what reading it costs (default "all")
---@field name? string what it is called in the report (default: as the check)

---@class grit.check.net_tables.params
---@field warning? grit.fraction share of a table in use (node exporter's mixin, NodeHighNumberConntrackEntriesUsed; the same for the other tables is grit's own choice); one that lost something by being full is critical, tcp time-wait a warning (default 75%)
---@field files_warning? grit.fraction share of the machine's open files (node exporter's mixin, NodeFileDescriptorLimit); not looked at in a run by nodes in network namespaces of their own, which may be one machine (default 70%)
---@field files_critical? grit.fraction as much is critical (the same) (default 90%)
---@field every? grit.time how often it is read in a run (default 5s; at least 100ms)
---@field limit? grit.time a reading that takes longer is ended, and unknown (default 2s; 1ms to 55s)
---@field blocks? "all"|"fault" in which blocks of a run it is read; "fault", in a scenario without faults: the run shows what reading it costs (default "all")
---@field name? string what it is called in the report (default: as the check)

---@class grit.check.rdma_ports.params
---@field nic? string "data": all data NICs of the node; "rail:1": the second of them; or the name of an interface (default "data")
---@field every? grit.time how often it is read in a run (default 2s; at least 100ms)
---@field limit? grit.time a reading that takes longer is ended, and unknown (default 2s; 1ms to 55s)
---@field blocks? "all"|"fault" in which blocks of a run it is read; "fault", in a scenario without faults: the run shows what reading it costs (default "all")
---@field name? string what it is called in the report (default: as the check)

---@class grit.check.peers.params
---@field ignore? string facts that may differ, with commas: kernel, CPU model, microcode, cores, NUMA nodes, memory, data NICs, MTU, speed, duplex, driver, firmware
---@field every? grit.time how often it is read in a run (default 5s; at least 100ms)
---@field limit? grit.time a reading that takes longer is ended, and unknown (default 2s; 1ms to 55s)
---@field blocks? "all"|"fault" in which blocks of a run it is read; "fault", in a scenario without faults: the run shows what reading it costs (default "all")
---@field name? string what it is called in the report (default: as the check)

---@class grit.check.pressure.params
---@field cpu_some? grit.fraction of the time some task waited for a CPU: warning (grit's own choice) (default 50%; at most 100%)
---@field memory_some? grit.fraction of the time some task waited for memory: warning (grit's own choice) (default 10%; at most 100%)
---@field memory_full? grit.fraction of the time all tasks waited for memory: warning (grit's own choice) (default 5%; at most 100%)
---@field memory_full_critical? grit.fraction the same, for `critical_after`: critical (systemd-oomd's default limit, oomd.conf(5)) (default 60%; at most 100%)
---@field critical_after? grit.time how long that must last (systemd-oomd's default duration, oomd.conf(5)) (default 30s)
---@field io_some? grit.fraction of the time some task waited for storage: warning; 0: off (grit's own choice) (default 0%; at most 100%)
---@field io_full? grit.fraction of the time all tasks waited for storage: warning (grit's own choice) (default 20%; at most 100%)
---@field irq_full? grit.fraction of the time interrupts kept a CPU from its task: warning (grit's own choice) (default 10%; at most 100%)
---@field window? grit.time what is judged: at least so long (grit's own choice) (default 5s; 500ms to 600s)
---@field every? grit.time how often it is read in a run (default 2s; at least 100ms)
---@field limit? grit.time a reading that takes longer is ended, and unknown (default 2s; 1ms to 55s)
---@field blocks? "all"|"fault" in which blocks of a run it is read; "fault", in a scenario without faults: the run shows what reading it costs (default "all")
---@field name? string what it is called in the report (default: as the check)

---@class grit.check.cpu_steal.params
---@field warning? grit.fraction of all CPUs' time: warning (grit's own choice) (default 2%; at most 100%)
---@field critical? grit.fraction of all CPUs' time for `critical_after`: critical (the limit of the rule HostCpuStealNoisyNeighbor, Awesome Prometheus alerts) (default 10%; at most 100%)
---@field critical_after? grit.time how long that must last (grit's own choice) (default 10s)
---@field one_cpu? grit.fraction of one CPU's time: warning (grit's own choice) (default 10%; at most 100%)
---@field window? grit.time what is judged: at least so long (grit's own choice) (default 5s; 500ms to 600s)
---@field every? grit.time how often it is read in a run (default 1s; at least 100ms)
---@field limit? grit.time a reading that takes longer is ended, and unknown (default 2s; 1ms to 55s)
---@field blocks? "all"|"fault" in which blocks of a run it is read; "fault", in a scenario without faults: the run shows what reading it costs (default "all")
---@field name? string what it is called in the report (default: as the check)

---@class grit.check.cpu_throttled.params
---@field warning? grit.fraction of the periods of a quota in which its group had to wait: warning (kubernetes-mixin, CPUThrottlingHigh) (default 25%; at most 100%)
---@field periods? grit.count so many are enough to say a share (grit's own choice) (default 5; 1 to 1000000)
---@field window? grit.time what is judged: at least so long (grit's own choice) (default 2s; 500ms to 600s)
---@field every? grit.time how often it is read in a run (default 1s; at least 100ms)
---@field limit? grit.time a reading that takes longer is ended, and unknown (default 2s; 1ms to 55s)
---@field blocks? "all"|"fault" in which blocks of a run it is read; "fault", in a scenario without faults: the run shows what reading it costs (default "all")
---@field name? string what it is called in the report (default: as the check)

---@class grit.check.cpu_clock.params
---@field of_highest? grit.fraction of the highest clock, or all of the base clock where the driver tells it: busy CPUs below it are a warning; 0: off (the share that NVIDIA's resiliency extension calls slow) (default 70%; at most 100%)
---@field window? grit.time what is judged: at least so long (grit's own choice) (default 5s; 500ms to 600s)
---@field every? grit.time how often it is read in a run (default 5s; at least 100ms)
---@field limit? grit.time a reading that takes longer is ended, and unknown (default 2s; 1ms to 55s)
---@field blocks? "all"|"fault" in which blocks of a run it is read; "fault", in a scenario without faults: the run shows what reading it costs (default "all")
---@field name? string what it is called in the report (default: as the check)

---@class grit.check.numa_placement.params
---@field every? grit.time how often it is read in a run (default 1s; at least 100ms)
---@field limit? grit.time a reading that takes longer is ended, and unknown (default 2s; 1ms to 55s)
---@field blocks? "all"|"fault" in which blocks of a run it is read; "fault", in a scenario without faults: the run shows what reading it costs (default "all")
---@field name? string what it is called in the report (default: as the check)

---@class grit.check.numa_memory.params
---@field misses? grit.fraction of pages, given on another node: warning (grit's own choice) (default 1%; at most 100%)
---@field moves? number|string pages a second moved by NUMA balancing: warning (grit's own choice) (default 1000)
---@field window? grit.time what is judged: at least so long (grit's own choice) (default 5s; 500ms to 600s)
---@field every? grit.time how often it is read in a run (default 5s; at least 100ms)
---@field limit? grit.time a reading that takes longer is ended, and unknown (default 2s; 1ms to 55s)
---@field blocks? "all"|"fault" in which blocks of a run it is read; "fault", in a scenario without faults: the run shows what reading it costs (default "all")
---@field name? string what it is called in the report (default: as the check)

---@class grit.check.irq_placement.params
---@field nic? string "data": all data NICs of the node; "rail:1": the second of them; or the name of an interface (default "data")
---@field rate? number|string interrupts a second from which one that is served on another NUMA node than its NIC's is a warning (grit's own choice) (default 1000)
---@field window? grit.time what is judged: at least so long (grit's own choice) (default 2s; 500ms to 600s)
---@field every? grit.time how often it is read in a run (default 5s; at least 100ms)
---@field limit? grit.time a reading that takes longer is ended, and unknown (default 2s; 1ms to 55s)
---@field blocks? "all"|"fault" in which blocks of a run it is read; "fault", in a scenario without faults: the run shows what reading it costs (default "all")
---@field name? string what it is called in the report (default: as the check)

---@class grit.check.stopped_ranks.params
---@field warning? grit.time a thread in state D without running: warning (grit's own choice) (default 5s)
---@field critical? grit.time the same: critical (the kernel's own default, kernel.hung_task_timeout_secs). A rank that is stopped always is (default 120s)
---@field every? grit.time how often it is read in a run (default 500ms; at least 100ms)
---@field limit? grit.time a reading that takes longer is ended, and unknown (default 2s; 1ms to 55s)
---@field blocks? "all"|"fault" in which blocks of a run it is read; "fault", in a scenario without faults: the run shows what reading it costs (default "all")
---@field name? string what it is called in the report (default: as the check)

---@class grit.check.stuck_tasks.params
---@field warning? grit.time in state D without running: warning (grit's own choice) (default 30s)
---@field critical? grit.time in state D without running: critical (the kernel's own default, kernel.hung_task_timeout_secs) (default 120s)
---@field every? grit.time how often it is read in a run (default 2s; at least 100ms)
---@field limit? grit.time a reading that takes longer is ended, and unknown (default 2s; 1ms to 55s)
---@field blocks? "all"|"fault" in which blocks of a run it is read; "fault", in a scenario without faults: the run shows what reading it costs (default "all")
---@field name? string what it is called in the report (default: as the check)

---@class grit.check.clock.params
---@field step_warning? grit.time set by so much: warning (grit's own choice) (default 1ms)
---@field step_critical? grit.time set by so much: critical (node exporter's mixin, NodeClockSkewDetected) (default 50ms)
---@field maxerror? grit.time the clock can be wrong by so much: warning (grit's own choice: the kernel adds 0.5 ms a second, and systemd-timesyncd asks its server every 2048 s) (default 4s)
---@field unsynchronized_after? grit.time the machine runs for so long and nothing synchronizes its clock: warning; 0: off (node exporter's mixin, NodeClockNotSynchronising) (default 600s)
---@field every? grit.time how often it is read in a run (default 2s; at least 100ms)
---@field limit? grit.time a reading that takes longer is ended, and unknown (default 2s; 1ms to 55s)
---@field blocks? "all"|"fault" in which blocks of a run it is read; "fault", in a scenario without faults: the run shows what reading it costs (default "all")
---@field name? string what it is called in the report (default: as the check)

---@class grit.check.cgroup_leak.params
---@field warning? grit.count groups: warning (half of what the kernel can have) (default 32768; at most 1000000000)
---@field critical? grit.count groups: critical (nine tenths of MEM_CGROUP_ID_MAX, include/linux/memcontrol.h, beyond which no group with memory can be made) (default 58982; at most 1000000000)
---@field dying? grit.count groups that were removed but keep memory: warning (grit's own choice) (default 5000; at most 1000000000)
---@field every? grit.time how often it is read in a run (default 10s; at least 100ms)
---@field limit? grit.time a reading that takes longer is ended, and unknown (default 2s; 1ms to 55s)
---@field blocks? "all"|"fault" in which blocks of a run it is read; "fault", in a scenario without faults: the run shows what reading it costs (default "all")
---@field name? string what it is called in the report (default: as the check)

---@class grit.check.kernel_log.params
---@field deny? string more lines that mean trouble: "critical:EXPRESSION" or "warning:EXPRESSION" (POSIX extended), a line each
---@field ignore? string expressions (POSIX extended), a line each, of lines that mean none
---@field mild_xids? string errors of NVIDIA GPUs that are a warning; others are critical (the program's own, and recorded memory errors, in NVIDIA's Xid catalogue; all others, as in Azure's health agent) (default "13,31,43,45,63,68,69,92,94,109")
---@field look_back? grit.time outside of a run, also what the kernel logged so long before the first reading, about (node-problem-detector's default) (default 300s)
---@field hold? grit.time for how long a line is reported (grit's own choice) (default 60s)
---@field injected? boolean|"true"|"false" also the lines of grit's own fault kernel_log (default true)
---@field unseen? boolean|"true"|"false" also warn of lines of a kind that is not among those logged before the first reading (default false)
---@field level? grit.count of unseen lines only these levels: 4 is warning and graver (syslog(2)) (default 4; at most 7)
---@field every? grit.time how often it is read in a run (default 1s; at least 100ms)
---@field limit? grit.time a reading that takes longer is ended, and unknown (default 2s; 1ms to 55s)
---@field blocks? "all"|"fault" in which blocks of a run it is read; "fault", in a scenario without faults: the run shows what reading it costs (default "all")
---@field name? string what it is called in the report (default: as the check)

---@class grit.check.memory_room.params
---@field available_warning? grit.fraction alarms when at most this share of the memory is available; 0: off (node exporter's mixin: 90 % used) (default 10%; at most 100%)
---@field available_critical? grit.bytes and critical when it is also at most so much; 0: off (kubelet's eviction-hard memory.available) (default 100MiB)
---@field stalls? number|string alarms when so many times a second, in two readings in a row, a process had to compact memory itself; 0: off (grit's own choice) (default 10)
---@field huge_blocks? grit.count alarms when a zone has fewer free blocks of the size of a huge page, and somebody got none; 0: off (grit's own choice) (default 64)
---@field unusable? grit.fraction and more than this share of its free memory is in smaller blocks (grit's own choice) (default 95%; at most 100%)
---@field every? grit.time how often it is read in a run (default 5s; at least 100ms)
---@field limit? grit.time a reading that takes longer is ended, and unknown (default 2s; 1ms to 55s)
---@field blocks? "all"|"fault" in which blocks of a run it is read; "fault", in a scenario without faults: the run shows what reading it costs (default "all")
---@field name? string what it is called in the report (default: as the check)

---@class grit.check.machine_check.params
---@field corrected? grit.count alarms when a memory module corrected so many errors since the last reading; 0: off (node-problem-detector reports each) (default 1)
---@field every? grit.time how often it is read in a run (default 10s; at least 100ms)
---@field limit? grit.time a reading that takes longer is ended, and unknown (default 2s; 1ms to 55s)
---@field blocks? "all"|"fault" in which blocks of a run it is read; "fault", in a scenario without faults: the run shows what reading it costs (default "all")
---@field name? string what it is called in the report (default: as the check)

---@class grit.check.disk_latency.params
---@field disk? string "all": every disk of the node; or the name of one: "nvme0n1" (default "all")
---@field await? grit.time alarms when reads, writes or flushes take so long on average, in two readings in a row; 0: off (grit's own choice) (default 20ms)
---@field await_rotational? grit.time the same of a disk that turns (grit's own choice) (default 200ms)
---@field least? grit.count of fewer requests a reading the average says nothing (default 10; at least 1)
---@field stuck_warning? grit.time alarms when requests wait and none is done for so long; 0: off (grit's own choice) (default 10s)
---@field stuck_critical? grit.time critical then; 0: off (Linux gives a request to an NVMe or SCSI disk up after 30 s) (default 30s)
---@field every? grit.time how often it is read in a run (default 1s; at least 100ms)
---@field limit? grit.time a reading that takes longer is ended, and unknown (default 2s; 1ms to 55s)
---@field blocks? "all"|"fault" in which blocks of a run it is read; "fault", in a scenario without faults: the run shows what reading it costs (default "all")
---@field name? string what it is called in the report (default: as the check)

---@class grit.check.disk_space.params
---@field directories? string the file systems of which directories, with commas between them; "auto": /, /tmp, /dev/shm and TMPDIR. One that hangs keeps a reading from the others: give a network file system a check of its own (default "auto")
---@field space_warning? grit.fraction alarms when at most this share is left to users; 0: off (kubelet's eviction-hard nodefs.available) (default 10%; at most 100%)
---@field space_critical? grit.fraction critical then; 0: off (node exporter's mixin, NodeFilesystemAlmostOutOfSpace) (default 3%; at most 100%)
---@field space_critical_bytes? grit.bytes but only a warning while more than so much is left (grit's own choice) (default 10GiB)
---@field inodes_warning? grit.fraction alarms when at most this share of the inodes is left; 0: off (kubelet's eviction-hard nodefs.inodesFree) (default 5%; at most 100%)
---@field inodes_critical? grit.fraction critical then; 0: off (node exporter's mixin, NodeFilesystemAlmostOutOfFiles) (default 3%; at most 100%)
---@field every? grit.time how often it is read in a run (default 10s; at least 100ms)
---@field limit? grit.time a reading that takes longer is ended, and unknown (default 2s; 1ms to 55s)
---@field blocks? "all"|"fault" in which blocks of a run it is read; "fault", in a scenario without faults: the run shows what reading it costs (default "all")
---@field name? string what it is called in the report (default: as the check)

---@class grit.check.nvme_smart.params
---@field used_warning? grit.count alarms when so many percent of its life are used; 0: off (Meta's gcm, check-blockdev) (default 80)
---@field used_critical? grit.count critical then; 0: off (Meta's gcm, check-blockdev) (default 100)
---@field every? grit.time how often it is read in a run (default 60s; at least 100ms)
---@field limit? grit.time a reading that takes longer is ended, and unknown (default 5s; 1ms to 55s)
---@field blocks? "all"|"fault" in which blocks of a run it is read; "fault", in a scenario without faults: the run shows what reading it costs (default "all")
---@field name? string what it is called in the report (default: as the check)

---@class grit.check.pcie_link.params
---@field replays? grit.count alarms when more packets a minute had to be sent again; 0: off (DCGM_LIMIT_MAX_PCIREPLAY_RATE) (default 8)
---@field every? grit.time how often it is read in a run (default 10s; at least 100ms)
---@field limit? grit.time a reading that takes longer is ended, and unknown (default 2s; 1ms to 55s)
---@field blocks? "all"|"fault" in which blocks of a run it is read; "fault", in a scenario without faults: the run shows what reading it costs (default "all")
---@field name? string what it is called in the report (default: as the check)

---@class grit.check.gpu_clock.params
---@field hardware? grit.fraction alarms when hardware slowed a GPU down for this share of the time; 0: off (DCGM warns of any) (default 0.1%; at most 100%)
---@field software? grit.fraction alarms when the driver slowed it down because of heat for this share of the time; 0: off (DCGM warns of any) (default 1%; at most 100%)
---@field clock_share? grit.fraction alarms when a busy GPU runs at most at this share of its highest clock, and gives no reason; 0: off (grit's own choice) (default 90%; at most 100%)
---@field power_share? grit.fraction alarms when a busy GPU draws less than this share of what the node's other busy ones do, with the same clock, in five readings in a row; 0: off (grit's own choice) (default 85%; at most 100%)
---@field expected? grit.count instead: which clock a busy GPU should have, in MHz; 0: not known (default 0)
---@field clock_warning? grit.count alarms when it is so many MHz below that; 0: off (Meta's gcm, clock_policy) (default 30)
---@field clock_critical? grit.count critical then; 0: off (Meta's gcm, clock_policy) (default 75)
---@field every? grit.time how often it is read in a run (default 1s; at least 100ms)
---@field limit? grit.time a reading that takes longer is ended, and unknown (default 2s; 1ms to 55s)
---@field blocks? "all"|"fault" in which blocks of a run it is read; "fault", in a scenario without faults: the run shows what reading it costs (default "all")
---@field name? string what it is called in the report (default: as the check)

---@class grit.check.gpu_memory.params
---@field corrected? number|string alarms when so many errors a minute were corrected; 0: off (DCGM_LIMIT_MAX_SBE_RATE, which DCGM itself calls a stand-in for a value to be found; Azure's health checks tolerate 20 million in all) (default 10)
---@field replaced? grit.count critical when so many rows were replaced after uncorrectable errors; 0: off (DCGM) (default 512)
---@field every? grit.time how often it is read in a run (default 10s; at least 100ms)
---@field limit? grit.time a reading that takes longer is ended, and unknown (default 2s; 1ms to 55s)
---@field blocks? "all"|"fault" in which blocks of a run it is read; "fault", in a scenario without faults: the run shows what reading it costs (default "all")
---@field name? string what it is called in the report (default: as the check)

---@class grit.check.gpu_xid.params
---@field warn? string these Xid numbers are warnings, all others critical: the application's own errors (those that NVIDIA's device plugin for Kubernetes skips), and rows of memory that were replaced (default "13,31,43,45,63,68,69,92,94,109")
---@field ignore? string these Xid numbers are not told: "43,45"
---@field hold? grit.time for how long an error is told, which itself is a moment (grit's own choice) (default 60s)
---@field every? grit.time how often it is read in a run (default 1s; at least 100ms)
---@field limit? grit.time a reading that takes longer is ended, and unknown (default 2s; 1ms to 55s)
---@field blocks? "all"|"fault" in which blocks of a run it is read; "fault", in a scenario without faults: the run shows what reading it costs (default "all")
---@field name? string what it is called in the report (default: as the check)

---@class grit.check.nvlink.params
---@field links? grit.count critical when a GPU has fewer links up; 0: as many as were up at the first reading, and as other GPUs have (NVIDIA's Health Validation tolerates none that is down) (default 0; at most 36)
---@field crc? number|string critical when a link counts so many CRC errors a second, a warning from the first on; 0: never critical (DCGM) (default 100)
---@field every? grit.time how often it is read in a run (default 10s; at least 100ms)
---@field limit? grit.time a reading that takes longer is ended, and unknown (default 2s; 1ms to 55s)
---@field blocks? "all"|"fault" in which blocks of a run it is read; "fault", in a scenario without faults: the run shows what reading it costs (default "all")
---@field name? string what it is called in the report (default: as the check)

---@class grit.check.command.params
---@field command string one line for /bin/sh -c
---@field shell? boolean|"true"|"false" false: run the program that `command` begins with (/usr/...) itself; blanks, quotes and backslashes make its arguments as a shell would, and nothing else has a meaning (default true)
---@field environment? string variables beside or in place of those that it has: "NAME=value OTHER='two words'"
---@field directory? string in which it runs (default "/")
---@field exit? "nagios"|"health_validation"|"nhc"|"bitmask" what its exit status means (default "nagios")
---@field bits_critical? grit.count of the exit status, with exit = "bitmask": any of these is critical (smartctl(8)) (default 24; at most 255)
---@field bits_unknown? grit.count of the exit status, else any of these is unknown (smartctl(8)) (default 7; at most 255)
---@field bits_warning? grit.count of the exit status, else any of these is a warning; others are passed over (smartctl(8)) (default 224; at most 255)
---@field subject? string what it looks at: "eth0"; default: the node
---@field perfdata? boolean|"true"|"false" take the first figure behind the | as value (default true)
---@field every? grit.time how often it is read in a run (default 10s; at least 100ms)
---@field limit? grit.time a reading that takes longer is ended, and unknown (default 10s; 1ms to 55s)
---@field blocks? "all"|"fault" in which blocks of a run it is read; "fault", in a scenario without faults: the run shows what reading it costs (default "all")
---@field name? string what it is called in the report (default: as the check)

---@class grit.check.openmetrics.params
---@field url? string of the exporter: http://127.0.0.1:9100/metrics
---@field file? string or a file that it writes, by its absolute path
---@field critical? string the rule for critical: node_network_up{device='eth0'} == 0
---@field warning? string the rule for a warning
---@field subject? string the label that says what a series is about (default: device, interface, gpu, UUID, pci_bus_id, cpu, mountpoint or instance)
---@field max_age? grit.time what was written longer ago is unknown; 0: three times `every`, at least 1 min (grit's own choice) (default 0ns)
---@field remote? boolean|"true"|"false" the url may be another machine's (default false)
---@field exporter? string the program that serves `url`, with its arguments: started on the node where nobody answers there, and ended with the run (only with --allow-command)
---@field every? grit.time how often it is read in a run (default 2s; at least 100ms)
---@field limit? grit.time a reading that takes longer is ended, and unknown (default 1s; 1ms to 55s)
---@field blocks? "all"|"fault" in which blocks of a run it is read; "fault", in a scenario without faults: the run shows what reading it costs (default "all")
---@field name? string what it is called in the report (default: as the check)

local grit = { fault = {}, workload = {}, check = {}, search = {} }

---The scenario of this file; the file ends with `return grit.scenario { ... }`.
---@param params grit.scenario.params
---@return grit.Scenario
function grit.scenario(params) end

---Nodes that are chosen once, by the seed, to be named in several places: local victim = grit.node "any".
---@param nodes grit.nodes
---@return grit.Node
function grit.node(nodes) end

---All nodes but these, or some of the others: grit.others(victim, "any").
---@param victim grit.Node
---@param which? grit.nodes
---@return grit.Node
function grit.others(victim, which) end

---A time as a value to compute with.
---@param text string
---@return grit.quantity
function grit.time(text) end

---A bytes as a value to compute with.
---@param text string
---@return grit.quantity
function grit.bytes(text) end

---A size as a value to compute with.
---@param text string
---@return grit.quantity
function grit.size(text) end

---A bit rate as a value to compute with.
---@param text string
---@return grit.quantity
function grit.bit_rate(text) end

---A fraction as a value to compute with.
---@param text string
---@return grit.quantity
function grit.fraction(text) end

---A FLOP rate as a value to compute with.
---@param text string
---@return grit.quantity
function grit.flop_rate(text) end

---A network interface goes down and comes back, once or several times.
---@param params? grit.fault.link_flap.params
---@return grit.Fault
function grit.fault.link_flap(params) end

---A network interface is down for the whole block.
---@param params? grit.fault.link_down.params
---@return grit.Fault
function grit.fault.link_down(params) end

---A network interface sends no faster than a given rate.
---@param params? grit.fault.link_rate.params
---@return grit.Fault
function grit.fault.link_rate(params) end

---Packets that a network interface sends arrive later, by a fixed or a random time.
---@param params? grit.fault.link_delay.params
---@return grit.Fault
function grit.fault.link_delay(params) end

---A share of the packets of a network interface is lost, one by one or in bursts.
---@param params? grit.fault.link_loss.params
---@return grit.Fault
function grit.fault.link_loss(params) end

---A network interface has a smaller MTU than it had.
---@param params? grit.fault.link_mtu.params
---@return grit.Fault
function grit.fault.link_mtu(params) end

---Nodes cannot reach each other over the data network: their packets are dropped.
---@param params? grit.fault.partition.params
---@return grit.Fault
function grit.fault.partition(params) end

---TCP or UDP traffic from the nodes to others over their NICs, at a rate or as fast as it goes.
---@param params? grit.fault.ethernet_flood.params
---@return grit.Fault
function grit.fault.ethernet_flood(params) end

---The node's accelerators run at a lower clock.
---@param params? grit.fault.gpu_throttle.params
---@return grit.Fault
function grit.fault.gpu_throttle(params) end

---Another process works on the node's GPUs: multiprocessors, time, memory or NVLink, by share.
---@param params? grit.fault.gpu_contention.params
---@return grit.Fault
function grit.fault.gpu_contention(params) end

---Another process holds so much of the GPUs' memory that only a stated part stays free.
---@param params? grit.fault.gpu_memory_pressure.params
---@return grit.Fault
function grit.fault.gpu_memory_pressure(params) end

---Copies between the host's memory and the GPUs' take a share of the way between them, or a rate.
---@param params? grit.fault.pcie_contention.params
---@return grit.Fault
function grit.fault.pcie_contention(params) end

---Ranks of the node get a share of one CPU core at most.
---@param params? grit.fault.cpu_throttle.params
---@return grit.Fault
function grit.fault.cpu_throttle(params) end

---Other processes compete for the CPU cores of the ranks.
---@param params? grit.fault.cpu_contention.params
---@return grit.Fault
function grit.fault.cpu_contention(params) end

---Cores are taken away for short moments, again and again (operating system noise).
---@param params? grit.fault.os_noise.params
---@return grit.Fault
function grit.fault.os_noise(params) end

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

---Ranks of the node stand still (SIGSTOP) and go on.
---@param params? grit.fault.process_pause.params
---@return grit.Fault
function grit.fault.process_pause(params) end

---Ranks of the node are killed (SIGKILL); the job does not survive it.
---@param params? grit.fault.process_kill.params
---@return grit.Fault
function grit.fault.process_kill(params) end

---A synthetic straggler: a rank waits in its steps.
---@param params? grit.fault.rank_delay.params
---@return grit.Fault
function grit.fault.rank_delay(params) end

---Routers of ranks prefer one expert more than they are set to.
---@param params? grit.fault.imbalance.params
---@return grit.Fault
function grit.fault.imbalance(params) end

---A bit of a rank's gradients flips before they are reduced.
---@param params? grit.fault.bit_flip.params
---@return grit.Fault
function grit.fault.bit_flip(params) end

---Ranks run on the CPUs of another NUMA node than that of their memory.
---@param params? grit.fault.numa_misplacement.params
---@return grit.Fault
function grit.fault.numa_misplacement(params) end

---All ranks of the node, with their data loaders, share a few CPUs.
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

---A line in the node's kernel log, as if a driver had written it.
---@param params? grit.fault.kernel_log.params
---@return grit.Fault
function grit.fault.kernel_log(params) end

---A health check, of grit's or the site's own, runs once and takes what it takes.
---@param params grit.fault.site_check.params
---@return grit.Fault
function grit.fault.site_check(params) end

---Whatever the commands of the scenario do (only with --allow-command).
---@param params grit.fault.command.params
---@return grit.Fault
function grit.fault.command(params) end

---synchronous data-parallel training: gradient buckets are all-reduced while backward goes on.
---@param params? grit.workload.ddp.params
---@return grit.Workload
function grit.workload.ddp(params) end

---data-parallel training with sharded parameters: gathered layer by layer, gradients reduce-scattered while backward goes on.
---@param params? grit.workload.fsdp.params
---@return grit.Workload
function grit.workload.fsdp(params) end

---tensor-parallel training: two all-reduces of activations a layer and pass, or sequence parallel with all-gather and reduce-scatter.
---@param params? grit.workload.tensor.params
---@return grit.Workload
function grit.workload.tensor(params) end

---pipeline-parallel training: micro-batches go through the stages by 1F1B, interleaved with chunks above 1.
---@param params? grit.workload.pipeline.params
---@return grit.Workload
function grit.workload.pipeline(params) end

---expert-parallel training: all-to-alls bring each token to its experts and back, as evenly as the router's balance has it.
---@param params? grit.workload.moe.params
---@return grit.Workload
function grit.workload.moe(params) end

---training over all axes of a mesh at once: data (sharded or not), tensor, pipeline and expert parallel.
---@param params? grit.workload.transformer.params
---@return grit.Workload
function grit.workload.transformer(params) end

---Data NICs are up, have a carrier and still have their addresses.
---@param params? grit.check.link_up.params
---@return grit.Check
function grit.check.link_up(params) end

---Data NICs did not lose their carrier: how often, and for how long altogether.
---@param params? grit.check.link_carrier.params
---@return grit.Check
function grit.check.link_carrier(params) end

---Data NICs have the MTU, speed, duplex and driver they had before the run.
---@param params? grit.check.link_settings.params
---@return grit.Check
function grit.check.link_settings(params) end

---Data NICs count no receive or transmit errors, and drop few packets.
---@param params? grit.check.nic_errors.params
---@return grit.Check
function grit.check.nic_errors(params) end

---Drivers of data NICs count no errors, few drops and little pause, by queue and priority.
---@param params? grit.check.nic_queues.params
---@return grit.Check
function grit.check.nic_queues(params) end

---The qdiscs of data NICs drop few packets, hold none back, and are those they were.
---@param params? grit.check.qdisc_drops.params
---@return grit.Check
function grit.check.qdisc_drops(params) end

---TCP sends little again, and nothing is lost to full buffers.
---@param params? grit.check.tcp_retransmits.params
---@return grit.Check
function grit.check.tcp_retransmits(params) end

---Tables of neighbours, tracked connections, ports, sockets, files and tasks have room.
---@param params? grit.check.net_tables.params
---@return grit.Check
function grit.check.net_tables(params) end

---RDMA ports are active at their rate, and count no errors.
---@param params? grit.check.rdma_ports.params
---@return grit.Check
function grit.check.rdma_ports(params) end

---The node is like most others of the run: kernel, processor, memory, and its data NICs.
---@param params? grit.check.peers.params
---@return grit.Check
function grit.check.peers(params) end

---Tasks seldom wait for a CPU, memory, storage or interrupts (pressure stall information).
---@param params? grit.check.pressure.params
---@return grit.Check
function grit.check.pressure(params) end

---The host gives this virtual machine the CPU time it wants (none is stolen).
---@param params? grit.check.cpu_steal.params
---@return grit.Check
function grit.check.cpu_steal(params) end

---No quota of CPU time makes the ranks wait.
---@param params? grit.check.cpu_throttled.params
---@return grit.Check
function grit.check.cpu_throttled(params) end

---No heat, governor or limit lowers the clock of the CPUs.
---@param params? grit.check.cpu_clock.params
---@return grit.Check
function grit.check.cpu_clock(params) end

---The ranks keep the CPUs and the NUMA nodes they had, and each has a CPU.
---@param params? grit.check.numa_placement.params
---@return grit.Check
function grit.check.numa_placement(params) end

---Memory comes from the NUMA node that was asked for and stays there.
---@param params? grit.check.numa_memory.params
---@return grit.Check
function grit.check.numa_memory(params) end

---Interrupts of the data NICs stay where they were, next to the NIC and off the ranks' cores.
---@param params? grit.check.irq_placement.params
---@return grit.Check
function grit.check.irq_placement(params) end

---The ranks can run: not stopped, no thread that waits in the kernel without end.
---@param params? grit.check.stopped_ranks.params
---@return grit.Check
function grit.check.stopped_ranks(params) end

---No process waits in the kernel without end (uninterruptible sleep, state D).
---@param params? grit.check.stuck_tasks.params
---@return grit.Check
function grit.check.stuck_tasks(params) end

---Nobody steps the machine's clock, and the daemon that keeps it right lives.
---@param params? grit.check.clock.params
---@return grit.Check
function grit.check.clock(params) end

---Control groups that nobody uses are removed, so that new ones can be made.
---@param params? grit.check.cgroup_leak.params
---@return grit.Check
function grit.check.cgroup_leak(params) end

---The kernel has logged no failure of a device, a disk, memory or itself.
---@param params? grit.check.kernel_log.params
---@return grit.Check
function grit.check.kernel_log(params) end

---Memory is available, in large blocks too, and nobody was killed for it.
---@param params? grit.check.memory_room.params
---@return grit.Check
function grit.check.memory_room(params) end

---Memory and processors report no new errors (EDAC, machine checks, bad pages).
---@param params? grit.check.machine_check.params
---@return grit.Check
function grit.check.machine_check(params) end

---Requests to the disks are done in time, and none hangs.
---@param params? grit.check.disk_latency.params
---@return grit.Check
function grit.check.disk_latency(params) end

---File systems have room and inodes, and can be written to.
---@param params? grit.check.disk_space.params
---@return grit.Check
function grit.check.disk_space(params) end

---NVMe drives say that they are well (health log, temperature, state).
---@param params? grit.check.nvme_smart.params
---@return grit.Check
function grit.check.nvme_smart(params) end

---NICs and GPUs have the PCI Express width and speed that they can have.
---@param params? grit.check.pcie_link.params
---@return grit.Check
function grit.check.pcie_link(params) end

---Busy NVIDIA GPUs run at their clock, and nothing slows them down.
---@param params? grit.check.gpu_clock.params
---@return grit.Check
function grit.check.gpu_clock(params) end

---NVIDIA GPUs have no new errors of memory, and spare rows for bad ones.
---@param params? grit.check.gpu_memory.params
---@return grit.Check
function grit.check.gpu_memory(params) end

---The NVIDIA driver reports no errors of the GPUs (Xid).
---@param params? grit.check.gpu_xid.params
---@return grit.Check
function grit.check.gpu_xid(params) end

---NVLinks between GPUs are up and count no errors.
---@param params? grit.check.nvlink.params
---@return grit.Check
function grit.check.nvlink(params) end

---A program of the site's: its exit status says how the node is (only with --allow-command).
---@param params grit.check.command.params
---@return grit.Check
function grit.check.command(params) end

---Rules over the metrics of an exporter on the node (node exporter, DCGM exporter ...).
---@param params? grit.check.openmetrics.params
---@return grit.Check
function grit.check.openmetrics(params) end

---From where on: the dose at which an effect starts, in a series of trials.
---@param params grit.search.threshold.params
---@return grit.Search
function grit.search.threshold(params) end

---From the scenario's list of faults to the smallest part of it that still gives what is expected.
---@param params? grit.search.minimal.params
---@return grit.Search
function grit.search.minimal(params) end

return grit
