"""From posted bodies to observations that the engine may take in."""
