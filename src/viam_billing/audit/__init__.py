"""Who tried what: the audit log, and the cooldown of e-mails."""
