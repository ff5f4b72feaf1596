"""Faces: the command line. May import everything below; nothing imports it."""
