"""Reports: from the tables of a study to verdicts, figures and pages.

    from reports.build import build
    build(Path("tables"), Path("report"))     # report.html, report.md, verdicts.json, figures/*

This package needs nothing but the tables: no torch, no tracker, no optimiser. Imports run down this list of stages:

build           writes the files
page            content for the templates, methods, links to MLflow
tables          reads and checks the tables
exhibits        figures with their captions, texts and data
figures         draws
text            sentences and alternative texts
calibration     error rate and power of the verdicts on simulated studies
claims          claims with their comparisons and rules, verdicts and findings
aggregates      tables of outcomes, probes and tuning; the lattice of cells
statistics      strata, quantities, comparisons, estimators and contrasts

results.csv: one row per member (one trained network)
-----------------------------------------------------
Required:

study           name of the study
phase           `tune` (a trial of a search) or `confirm` (a search's best configuration on a fresh seed)
cell            label of the cell: `lstm`; with options behind a plus sign: `lstm+bias0`
task            label of the task: `continual_adding`; with options: `continual_adding+reset`
lag             the task's distance parameter, a number
seed            the member's seed, a number
trial           number of the trial within its search; may be empty
hidden_size     hidden units
parameters      trained parameters
score           0 = trivial predictor, 1 = perfect, may be negative; 0 for a diverged member
solved          0 or 1 (or false, true): did the network meet the task's criterion on the test set
steps_to_solve  training step at which the criterion was met, or the budget where `censored` is 1
censored        0 or 1: not met within the budget
diverged        0 or 1: training became non-finite; counts as unsolved whatever `solved` says
seconds         wall-clock seconds of the member's training
hash            content hash of the member, unique in the table

Optional (a missing column or an empty cell means "not known"):

search          number of the independent tuning search that the member belongs to
size            size the cells were matched at (parameters, hidden units or state, by the study's `match`)
group           what the task separates: latch, erase, order, capacity, short, ...; `control` counts in no claim;
                else looked up by task name, where `+reset` makes a control
lag_means       what the lag counts, in a few words
engine          eager, fused or triton
status          solved, unsolved, diverged, pruned or failed
loss            final test loss
steps           budget: training steps allowed
objective       what the search maximised
flops_per_step  floating-point operations per training step
learning_rate, clip_norm, forget_bias, input_bias, recurrent_init
                hyperparameters; the biases and the initialisation may be words such as `chrono`
state_norm_first, state_norm_10, state_norm_last
                continual tasks: norm of the state in the first, the tenth and the last window of the test stream
largest_n       counting: the largest n up to which every string was right
error_free_steps
                continual Reber: steps before the first error, mean over streams
decay_init, decay_half, decay_end
                what one step back leaves of the gradient of the loss at the end, ‖∂L_T/∂s_{T−k}‖, geometric mean over
                k from a quarter of the lag up to it: before training, half way, after it; 1 keeps it, above 1 it explodes
retained        share of a small perturbation of the state that is left after `lag` steps, geometric mean
time_constant   gated cells: −1/ln f of the gate on the memory's path, median over units and steps
decodability    balanced accuracy of a linear probe that reads the stored value off the state at the query, minus that
                of the same probe on shuffled labels
clamp_none, clamp_mean, clamp_event, clamp_shuffled
                test score after its gates were held at their mean, at their mean for each kind of event, or dealt to other
                sequences, and the rest was trained on for a while; `none`: trained on for as long with its gates as they were
distilled       test score of a single network that was trained to imitate the transition of this member

Other columns are kept as text. Numbers are finite everywhere (`diverged` says what NaN would) and
believable: counts and settings up to 1e15, measurements up to 1e100, learning rates above 0.

curves.csv: learning curves, one row per (member, step, metric)
---------------------------------------------------------------
hash            the member, as in results.csv
step            training step, but where the metric says otherwise
metric          eval/score, eval/loss, train/loss, grad/norm
                gate/<name>/mean, gate/<name>/low, gate/<name>/high: how open a gate is, the shares of values near 0 and 1
                gate/<name>/<event>/mean, .../low, .../high: the same at the steps of an event, `other` for the rest; once,
                after training; step: 0
                test/<probe>: what else a task asked of the network
                test/state_norm: norm of the state along the test stream; step: the window
                flow/<when>/whole, flow/<when>/held: ‖∂L_T/∂s_{T−k}‖ / ‖∂L_T/∂s_T‖ at `init`, `half` or `end` of training,
                in all, and with the gates held still (what the additive path alone carries); step: k
                retention: ‖δs_{t+k}‖ / ‖δs_t‖; step: k
                decode/true, decode/shuffled: balanced accuracy of a linear probe; step: steps after the value was shown
                trace/gate/<name>, trace/state/<name>, trace/event/<name>: one sequence of one network an arm: gates and the
                size of the state, mean over units, and 1 where the event is; step: time step
value           a finite number

study.json: the manifest; any key may be missing
------------------------------------------------
study           name
definition      the study file: cells, match, sizes, task, train, tune, confirm, seed
cells           label -> cell, parent, change, reference, equations, gates
lattice         every registered cell: cell, parent, change
tasks           label -> task, group, lag_means, criterion, reference, options
versions        package -> version
hardware        the machine
commit          version of the code, or null
experiment      number of the study's experiment in MLflow
arms            one entry per arm: cell, task, lag, size, and its networks in each phase, tune and confirm; fewer rows
                in results.csv are reported as missing
"""
