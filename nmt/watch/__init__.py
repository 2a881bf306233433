"""Learning curves of runs, and what differs between two."""
