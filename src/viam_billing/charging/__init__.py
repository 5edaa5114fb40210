"""Charging a customer at most once, whatever dies on the way, and never forgetting a charge.

commands/charges -> service (one attempt for each key, one charge at a time for each organization)
  journal.reserve -> journal.mark_sent -> cloud -> journal.settle

`charge` draws the states of a charge. The code announces its steps as audit events (PEP 578, `sys.audit`) named
`viam_billing.charging.<step>`, each with the idempotency key; tests listen to them.
"""
