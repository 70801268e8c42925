"""The wire contract between device and cloud. Imports nothing of either."""
