"""What is still there after a deletion, and whether a rule explains it."""
