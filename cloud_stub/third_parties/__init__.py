"""Skill developers: what they hold is theirs, and only messages reach them."""
