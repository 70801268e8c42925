"""The privacy page: see it, hear it, delete it, and watch what stays. One module a room, in `rooms`."""
