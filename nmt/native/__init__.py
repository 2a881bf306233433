"""Our own code for searches on a processor, in C, compiled where it runs."""
