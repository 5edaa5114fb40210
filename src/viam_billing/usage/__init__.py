"""What an organization costs over time."""
