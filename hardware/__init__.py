"""The panel of a Raspberry Pi: two buttons, a red LED, and a light ring or three LEDs on its GPIO pins."""
