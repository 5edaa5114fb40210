"""The command line `viam-billing`, and what it writes."""
