"""Benchmark suites: what is run, one table of what came of it, and the tables that pages show.

``suites`` says what to run, ``run`` runs it (``cluster`` on many machines), ``results`` keeps a row per run,
``statistics`` says how sure it is, ``tables`` and ``published`` lay out, ``pages`` writes into marked places.
"""
