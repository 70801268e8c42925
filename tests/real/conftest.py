"""What the tests with real servers share."""

from tests.real.postgres import postgres

__all__ = ["postgres"]
