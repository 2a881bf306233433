"""Characters only: lines, segmentation into subwords, cleaning. No tensors here."""
