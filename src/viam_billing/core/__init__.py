"""Values without I/O: errors, money, times, redaction, digests."""
