"""Where records live: one file (or one schema) a store."""
