"""`python -m cloud_stub` is `cloud-stub`."""

import sys

from cloud_stub.cli import main

sys.exit(main())
