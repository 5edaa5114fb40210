"""What is configured and what it allows."""
