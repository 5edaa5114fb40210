"""Charging a customer: at most once whatever dies, and never forgotten.

    commands/charges -> desk (one service: its cloud, its limits)
      -> charger (one attempt for each key, one turn for each organization) -> journal (what is on the disk)
      reconcile, watch: what became of a charge whose answer was lost

`entry` draws the states of a charge.
"""
