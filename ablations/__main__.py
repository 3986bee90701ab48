"""`python -m ablations` is the command `whygates`."""

from ablations.cli import main

main()
