"""Training a population: all members of an arm at once."""
