"""Attention: one contract, one definition, many kernels, a table of named variants."""
