"""Charging a customer at most once, whatever dies on the way, and never forgetting a charge.

commands/charges -> service (one attempt for each key, one charge at a time for each organization)
  journal.reserve -> journal.mark_sent -> cloud -> journal.settle
recovery     before anything is charged: the folder's lock, what a dead process left, outcomes that are not written yet
reconciler   when the invoices of unknown charges are read; `reconciliation` decides what they tell
identity     whether the journal is the one that was charged with, and not an empty one in its place
registry     what the services of one process share

`charge` draws the states of a charge. The code announces its steps as audit events (PEP 578, `sys.audit`) named
`viam_billing.charging.<step>`, each with the idempotency key; tests listen to them.
"""
