"""Score with COMET, in whatever Python has the package: JSON on standard input and output.

Reads {"checkpoint": path, "samples": [{"src", "mt", "ref"}, ...]}; writes {"version", "scores"}.
This file imports nothing of ours and is run as `python -c`, never imported.
"""

import sys

sys.path = [folder for folder in sys.path if folder]  # never a comet.py of the current folder
MISSING = 3  # exit status: the package is not there


def main() -> None:
    """Load the model without asking the network, and score all samples."""
    import importlib.metadata
    import json

    answers = sys.stdout
    sys.stdout = sys.stderr  # what the package prints is no answer
    try:
        import comet
        import torch
    except ModuleNotFoundError as error:
        print(error.name, file=sys.stderr)
        sys.exit(MISSING)
    request = json.load(sys.stdin)
    model = comet.load_from_checkpoint(request["checkpoint"], local_files_only=True)
    gpus = int(torch.cuda.is_available())
    found = model.predict(request["samples"], gpus=gpus, num_workers=0, progress_bar=False)
    version = importlib.metadata.version("unbabel-comet")
    scores = [float(score) for score in found.scores]
    json.dump({"version": version, "scores": scores}, answers)


if __name__ == "__main__":
    main()
