"""Reports: from the tables of a study to verdicts, figures and pages.

    from reports.build import build
    build(Path("tables"), Path("report"))     # report.html, report.md, verdicts.json, figures/*, tables/*

This package reads three tables and imports neither torch nor MLflow nor Optuna. Its stages, each of which imports only
those below it:

publish         adds the finished arms of a study to a published one (`python -m reports.publish`)
build           writes the files of a report
page            `content` collects what the templates show; `methods` describes how the study was run, `incomplete` what it lacks,
                `robustness` what changes in other settings; `explore` has the data of an interactive chart; `mlflow_links` makes addresses of runs
latex           tables for papers
stored          the tables as they are stored with a report: confirmation networks and trials in separate files, curves thinned
join            joins the tables of several studies
tables          reads and checks the tables
exhibits        one figure each with its caption, its alternative text and its data (`csv_data`)
figures         drawing; `style` holds colours, markers and settings, `member` draws a single member
text            sentences and alternative texts, generated from numbers: `sentences`, `by_task`, `takeaways`, `alt_text`
calibration     `worlds` declares what is true, `simulate` makes studies of it, `measure` counts the wrong verdicts in them
                (calibration.csv), `power` states the result in a sentence
claims          `claims`, `comparisons` and `shared_rules` are data; `rules` give a claim's p value, `verdicts` applies them,
                `findings` and `thresholds` state the result and its limits in sentences, `merged` repeats it with merged searches
untrained       rows of the networks that the study's rule says not to train
aggregates      tables derived from rows and curves: `outcomes`, `reach`, `tuning`, `profiles`, `published`, `probes`; `lattice`
                arranges the cells
statistics      `strata` (task, lag, size), `quantities` (what is measured of a member), `arms` (counts per cell and stratum),
                `estimators`, `estimates`, `comparison` and `contrasts` (differences between cells)
format          numbers and lists as text; `output` writes the files of a folder

The columns of results.csv and trials.csv, of curves.csv, and the keys of study.json: `reports/templates/README.md`, which is also a
file of every report.
"""
