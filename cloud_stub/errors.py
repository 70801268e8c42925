"""The one kind of error that a person is meant to read."""


class CloudError(Exception):
    """One line naming the cause and the remedy. The command line prints it without a traceback, exit code 2."""
