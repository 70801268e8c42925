"""The privacy page: over HTTP, and in a real Chromium."""
