"""Sensors that are sick: found, named, told with a reason, believed less, stood in for, and taken back when well.

May import network, signals, observations, decisions, state, estimation and the kernels.
"""
