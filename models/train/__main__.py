"""Trains and measures the shipped networks:  python -m models.train {encoder,detector,category,evaluate} ..."""

from __future__ import annotations

import importlib
import sys

# Each part is a module with `run(argv)`, imported only when it is asked for: most of them need PyTorch.
PARTS = {
    "encoder": "trains and exports aisle-encoder or aisle-encoder-logo",
    "detector": "trains and exports one of the aisle-detector networks",
    "category": "trains and exports aisle-category",
    "evaluate": "measures an encoder that was exported (needs no PyTorch)",
}


def main(argv: list[str]) -> int:
    """Runs the part that the first argument names; the exit status."""
    if not argv or argv[0] not in PARTS:
        print("usage: python -m models.train PART [options]; PART --help lists them", file=sys.stderr)
        for part, purpose in PARTS.items():
            print(f"  {part:10} {purpose}", file=sys.stderr)
        return 0 if argv[:1] in (["-h"], ["--help"]) else 2
    try:
        module = importlib.import_module(f"models.train.{argv[0]}")
    except ModuleNotFoundError as error:
        missing = error.name or str(error)
        if missing.split(".")[0] == "models":
            raise
        print(f"{argv[0]} needs {missing}: install the extra, pip install '.[train]'", file=sys.stderr)
        return 1
    return int(module.run(argv[1:]) or 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
