"""Every decoder of input from outside, fed what nobody should send: see targets.py for the table, run.py to fuzz."""
