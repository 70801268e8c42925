"""The one error that a person sees: the command prints its line, without a traceback, and ends with exit code 2."""


class EchoError(Exception):
    """Something that the person at the keyboard can mend. The message is one line: the cause, then the remedy."""
