"""A Viam module that answers billing questions for a machine's location."""
