"""What the room talks to: a cloud that acts, keeps, and shows what it keeps."""
