"""`python -m device` is `echo-device`."""

import sys

from device.cli import main

sys.exit(main())
