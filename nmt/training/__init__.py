"""Training: loss, schedule, one update, checkpoints, the loop."""
