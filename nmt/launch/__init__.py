"""Start, resume and fine-tune: from settings and files to a training that runs."""
