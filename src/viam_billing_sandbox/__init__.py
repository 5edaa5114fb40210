"""A Viam cloud for one machine: development, tests and the demonstration run against it; robots never get it."""
