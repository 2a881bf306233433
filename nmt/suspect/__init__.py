"""Translations that cannot be trusted: what marks them, and what becomes of them."""
