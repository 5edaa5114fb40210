"""The disk: threads for it, files that are complete or not there, SQLite, and the schema of the journal."""
