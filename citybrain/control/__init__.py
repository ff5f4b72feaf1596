"""Controllers as equals: traffic state in, wish out. None of them knows the plant or the guard."""
