"""Models in the formats of other programs: folders that need nothing else, and proof that they do
the same.
"""
