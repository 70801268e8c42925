"""The speaker in the room: sound in, words out, over MQTT."""

__version__ = "0.1.0"
