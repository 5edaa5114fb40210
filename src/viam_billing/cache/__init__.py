"""The last known answer."""
