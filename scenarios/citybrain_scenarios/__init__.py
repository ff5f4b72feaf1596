"""Data: the scenario that ships with the project and a registry of public ones. Imports nothing of the project."""
