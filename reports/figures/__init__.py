"""Figures: each function takes estimates or rows and returns a Figure. Estimation is in `stats` and in the modules that
summarise; `exhibits` joins the two.

Where networks are drawn one by one, a filled marker is a network that solved its task.
"""
