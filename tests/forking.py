"""A plugin of pytest's (-p tests.forking): a run that is itself a test starts our programs as our other tests do."""

from tests import forked

forked.use()
