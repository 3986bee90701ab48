"""Tables made of the rows of results.csv and curves.csv: what the figures show."""
