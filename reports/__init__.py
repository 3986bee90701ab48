"""Reports: from the tables of a study to verdicts, figures and pages.

    from reports.build import build
    build(Path("tables"), Path("report"))     # report.html, report.md, verdicts.json, figures/*

This package reads three tables and imports neither torch nor MLflow nor Optuna. Its stages, each of which imports only
those below it:

build           writes the files of a report
page            `content` collects what the templates show; `methods` describes how the study was run; `mlflow_links` makes
                addresses of runs
tables          reads and checks the tables; `join` makes those of several studies into one
exhibits        one figure each with its caption, its alternative text and its data (`csv_data`)
figures         drawing; `style` holds colours, markers and settings, `member` draws a single member
text            `sentences` and `alt_text`, generated from numbers
calibration     `worlds` declares what is true, `simulate` makes studies of it, `measure` counts the wrong verdicts in them
                (calibration.csv), `power` states the result in a sentence
claims          `claims`, `comparisons` and `shared_rules` are data; `rules` give a claim's p value, `verdicts` applies them,
                `findings` and `thresholds` state the result and its limits in sentences
aggregates      tables derived from rows and curves: `outcomes`, `reach`, `tuning`, `probes`; `lattice` arranges the cells
statistics      `strata` (task, lag, size), `quantities` (what is measured of a member), `arms` (counts per cell and stratum),
                `estimators`, `estimates`, `comparison` and `contrasts` (differences between cells)
format          numbers and lists as text

results.csv: one row per member (one trained network)
-----------------------------------------------------
Required:

study           name of the study
phase           `tune` (a trial of a search), `rerank` (one of its best trials on a new seed) or `confirm` (the configuration that
                was chosen by both, on a fresh seed)
cell            label of the cell: `lstm`; with options behind a plus sign: `lstm+bias0`
task            label of the task: `continual_adding`; with options: `continual_adding+reset`
lag             the task's distance parameter, a number
seed            the member's seed, a number
trial           number of the trial within its search; may be empty
hidden_size     hidden units
parameters      trained parameters
score           0 = trivial predictor, 1 = perfect, may be negative; 0 for a diverged member
solved          0 or 1 (or false, true): whether the network met the task's criterion on the test set
steps_to_solve  training step at which the criterion was met, or the budget where `censored` is 1
censored        0 or 1: not met within the budget
diverged        0 or 1: training became non-finite; counts as unsolved whatever `solved` says
seconds         wall-clock seconds of the member's training
hash            content hash of the member, unique in the table

Optional (a missing column or an empty cell means "not known"):

search          number of the independent tuning search that the member belongs to
size            size the cells were matched at (parameters, hidden units or state, by the study's `match`)
group           the ability that the task tests: latch, erase, order, capacity, short, ...; no claim counts `control`; where
                empty, looked up by the task's name, and `+reset` makes a task a control
lag_means       what the lag counts, as a short phrase
engine          eager, fused or triton
status          solved, unsolved, diverged, pruned or failed
loss            final test loss
steps           budget: training steps allowed
finished_at     training step at which the member stopped: solved, diverged, pruned or at the end of its budget
objective       the value that the search maximised
flops_per_step  floating-point operations per training step
learning_rate, clip_norm, forget_bias, input_bias, recurrent_init
                hyperparameters; the biases and the initialisation may be names such as `chrono`
state_norm_first, state_norm_10, state_norm_last
                continual tasks: norm of the state in the first, the tenth and the last window of the test stream
largest_n       counting: the largest n up to which the network processes every string correctly
error_free_steps
                continual Reber: steps before the first error, mean over streams
decay_init, decay_half, decay_end
                factor by which the gradient of the last step's loss, ‖∂L_T/∂s_{T−k}‖, shrinks per step back, geometric mean
                over k from a quarter of the lag to the lag: before training, half way through it, after it; above 1 the
                gradient grows
retained        share of a small perturbation of the state that remains after `lag` steps, geometric mean
time_constant   gated cells: −1/ln f of the gate on the memory's path, median over units and steps
decodability    balanced accuracy of a linear probe that decodes the stored value from the state at the query, minus that
                of the same probe on shuffled labels
clamp_none, clamp_mean, clamp_event, clamp_shuffled
                test score after the gates were clamped to their mean, to their mean for each kind of event, or to those of
                another sequence, and the other weights were trained for some further steps; `none`: after as many further
                steps with free gates
distilled       test score of a single network that was trained to imitate the transition of this member

Other columns are kept as text. All numbers are finite (`diverged` replaces NaN). Counts and settings are at most 1e15,
measurements at most 1e100 in magnitude, learning rates are above 0.

curves.csv: learning curves, one row per (member, step, metric)
---------------------------------------------------------------
hash            the member, as in results.csv
step            training step, unless the metric below defines it otherwise
metric          eval/score, eval/loss, train/loss, grad/norm
                gate/<name>/mean, gate/<name>/low, gate/<name>/high: mean value of a gate, shares of values near 0 and 1
                gate/<name>/<event>/mean, .../low, .../high: the same at the steps of an event, `other` for all other steps;
                measured once, after training; step: 0
                test/<name>: result of an extra test of the task
                test/state_norm: norm of the state along the test stream; step: the window
                flow/<when>/whole, flow/<when>/held: ‖∂L_T/∂s_{T−k}‖ / ‖∂L_T/∂s_T‖ at `init`, `half` or `end` of training:
                the whole gradient, and with the gates held constant (the additive path alone); step: k
                retention: ‖δs_{t+k}‖ / ‖δs_t‖; step: k
                decode/true, decode/shuffled: balanced accuracy of a linear probe; step: steps after the value was shown
                trace/gate/<name>, trace/state/<name>, trace/event/<name>: one sequence of one network per arm: gates and
                absolute state, means over units, and 1 at the event; step: time step
value           a finite number

study.json: the manifest; any key may be missing
------------------------------------------------
study           name
definition      the study file: cells, match, sizes, task, train, tune, confirm, seed
cells           label -> cell, parent, change, reference, equations, gates
lattice         every registered cell: cell, parent, change
tasks           label -> task, group, lag_means, criterion, reference, options
hyperparameters name -> default, scale (log, linear or categories)
versions        package -> version
hardware        the machine
commit          version of the code, or null
experiment      number of the study's experiment in MLflow
arms            one entry per arm: cell, task, lag, size, and the number of its networks in each phase, tune, rerank and
                confirm; if results.csv has fewer rows, the report lists the others as missing
command         the command line that continues the sweep
failed          names of the arms that failed
queued          number of results that are trained but not uploaded to MLflow yet
"""
