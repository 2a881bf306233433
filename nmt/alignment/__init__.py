"""Which words of a pair go with which: links, heads that tell them, ways to choose a head."""
