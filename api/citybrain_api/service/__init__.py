"""The live service's face: HTTP routes, keys, limits, logs and metrics around one ``Live``. Decides nothing itself."""
