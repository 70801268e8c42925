"""For people who test against the emulator: a broker, a cloud and a device as processes, and pytest's fixtures."""
