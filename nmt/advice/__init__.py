"""Where every setting came from, and which combinations ruin a run."""
