"""Arithmetic on plain arrays: Numba loops that know no domain object. Imports numpy and numba only."""
