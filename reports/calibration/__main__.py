"""`python -m reports.calibration`: simulate the studies again and write calibration.csv."""

import sys

from reports.calibration.measure import main

main(sys.argv[1:])
