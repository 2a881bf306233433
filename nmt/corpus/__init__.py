"""Encoded corpora on disk, and the token batches read from them."""
