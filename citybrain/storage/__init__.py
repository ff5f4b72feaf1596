"""What the live service keeps: posts, ticks, plans, people's wishes, keys, and the ledger; on SQLite or PostgreSQL."""
