"""The commands of echo-device that are more than a few lines."""
