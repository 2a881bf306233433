"""Machine translation at the command line: segment, encode, train, translate, score."""

__version__ = "0.1.0"
