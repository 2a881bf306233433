"""Encoder-decoder models, their decoding state, and the directory that holds one."""
