"""Plans as documents: controller data, plans, and the independent checker that judges them.

May import network, signals, timings, guard (for the bound it keeps on reds), units and errors. ``checker`` imports
nothing of the project.
"""
