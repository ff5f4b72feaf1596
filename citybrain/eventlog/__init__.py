"""High-resolution controller events, read: what a controller's own log says of its traffic."""
