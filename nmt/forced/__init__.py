"""Given pairs read by a model: raw text to log-probabilities and links between words."""
