"""The disk: threads for it, SQLite, the schema of the journal, and files that are complete or not there."""
