"""The report of runs: one HTML page that needs no network, and the same figures as JSON and Parquet.

Reads records through the plants' and the brain's functions; simulates nothing. Every figure on the page is drawn from
the tables of ``schema``, and these are what ``--data`` writes.
"""
