"""The brain: network, signals, observations, estimation, control, guard, engine, measures, records.

Imports ``citybrain_kernels`` below it and nothing above it. Inside, arrows only point down:
errors and units at the bottom, engine at the top.
"""

__version__ = "0.1.0"
