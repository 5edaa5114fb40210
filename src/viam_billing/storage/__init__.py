"""The disk: SQLite on one thread, and the schema of the journal."""
