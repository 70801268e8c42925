"""What each command does; cloud_stub.cli reads the command line and calls one of them."""
