"""Search for translations: ids in, hypotheses out."""
