"""The scenario that ships with the project: a small irregular district in the morning peak, and its generator."""
