"""Policy x trigger x clock: what happens to each record, and the ledger of what did."""
