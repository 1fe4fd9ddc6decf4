"""Runs every benchmark and writes bench/RESULTS.md:  python -m bench [NAME ...]

Each part is a module with `run() -> str` (a markdown section). A part that is not named keeps its old one.
"""

from __future__ import annotations

import datetime
import importlib
import os
import platform
import re
import sys
from importlib.metadata import version
from pathlib import Path

from server import machine

RESULTS = Path(__file__).parent / "RESULTS.md"
PARTS = (
    "pixels",
    "features",
    "networks",
    "detectors",
    "encoders",
    "recall",
    "recognition",
    "recognition_speed",
    "whole_job",
    "search_load",
    "insight_load",
    "start",
)
LIBRARIES = (
    "numpy",
    "numba",
    "faiss-cpu",
    "onnxruntime-gpu",
    "opencv-python-headless",
    "simplejpeg",
    "pillow",
    "litestar",
    "granian",
    "msgspec",
)


def cpu() -> str:
    """The processor as the kernel names it, with the number of cores this process may use."""
    info = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*: (.+)", info.read_text()) if info.exists() else None
    return f"{found[1] if found else platform.processor()}, {len(os.sched_getaffinity(0))} cores"


def header() -> str:
    libraries = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    return f"*{datetime.date.today()}, {cpu()}, Python {platform.python_version()}; {libraries}.*"


def sections(text: str) -> dict[str, str]:
    """The parts of an existing RESULTS.md, by name."""
    return {
        name: body.strip() for name, body in re.findall(r"<!-- (\w+) -->\n(.*?)(?=\n<!-- |\Z)", text, re.S)
    }


def main(names: list[str]) -> None:
    unknown = set(names) - set(PARTS)
    if unknown:
        raise SystemExit(f"no such benchmark: {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    # As in the server, and before anything numeric is imported.
    machine.prepare(os.environ, Path(".aisle"))
    kept = sections(RESULTS.read_text()) if RESULTS.exists() else {}
    for name in names or PARTS:
        print(f"{name} ...", file=sys.stderr, flush=True)
        body = importlib.import_module(f"bench.{name}").run().strip()
        kept[name] = f"{body}\n\nRun: `python -m bench {name}`. {header()}"
        print(body)
        text = "".join(f"\n<!-- {part} -->\n{kept[part]}\n" for part in PARTS if part in kept)
        RESULTS.write_text(INTRODUCTION + text)


INTRODUCTION = """# Measured results

Figures are ratios against a peer or a limit in the same run where there is one: machines are noisy, ratios
are less so. Each section names its command, date, processor and versions. `make bench` rewrites the file,
`python -m bench NAME` one section.
"""

if __name__ == "__main__":
    main(sys.argv[1:])
