"""`python -m reports.calibration`: simulate the studies again and write calibration.csv."""

from argparse import ArgumentParser
from pathlib import Path

from reports.calibration.measure import main
from reports.calibration.power import FILE

if __name__ == "__main__":
    parser = ArgumentParser(
        "python -m reports.calibration", description="Simulate the studies and write calibration.csv."
    )
    parser.add_argument("out", nargs="?", type=Path, default=FILE, help=f"the file to write; by default {FILE}")
    main(parser.parse_args().out)
