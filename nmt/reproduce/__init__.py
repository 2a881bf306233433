"""Make a run, a translation or a score again from its record, and say what differs."""
