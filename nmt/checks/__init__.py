"""Checks that a user can run: what the toolkit promises, tried out."""
