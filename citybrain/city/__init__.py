"""Figures of links, districts and the whole city: travel times, vehicles in network, congestion, a short forecast.

Looks on at the engine's ticks; no simulator, no clock. May import network, links, observations, state and the kernels.
"""
