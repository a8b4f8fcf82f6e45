#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Draw what scripts/bench measured: plot.py RESULTS.json DIRECTORY

One SVG for each figure, with the ratio of Rust to the built-in C in each row, and bench.png
with the rows that have an aim.
"""

import json
import sys
from collections import defaultdict
from pathlib import Path

try:
    import matplotlib
except ImportError:
    sys.exit("plot.py: no matplotlib, so there are no pictures; run scripts/setup --bench")
matplotlib.use("Agg")
from matplotlib import pyplot as plt  # noqa: E402 # after the choice of where to draw

ABOVE, BELOW, AIM = "#c0504d", "#4f81bd", "#333333"


def draw(rows, title, path):
    rows = rows[::-1]
    figure, axes = plt.subplots(figsize=(9, 1.2 + 0.26 * len(rows)))
    ratios = [row["ratio"] for row in rows]
    axes.barh(range(len(rows)), ratios, color=[BELOW if r <= 1 else ABOVE for r in ratios], height=0.7)
    for at, row in enumerate(rows):
        axes.text(row["ratio"], at, f" {row['ratio']:.2f}", va="center", fontsize=7)
        if row["aim_ratio"] is not None:
            axes.plot([row["aim_ratio"]] * 2, [at - 0.45, at + 0.45], color=AIM, linewidth=2)
    axes.axvline(1, color=AIM, linewidth=0.8, linestyle=":")
    axes.set_yticks(range(len(rows)))
    axes.set_yticklabels([f"{row['name']}, {row['unit']}" for row in rows], fontsize=7)
    axes.set_xlabel("Rust / built-in C" + (" (bar: the aim)" if any(
        row["aim_ratio"] is not None for row in rows) else ""), fontsize=8)
    axes.set_xlim(0, 1.1 * max(1.1, *ratios))
    axes.set_title(title, fontsize=9)
    figure.tight_layout()
    # of a PNG, which goes into the documentation
    licence = {"Copyright": "SPDX-License-Identifier: GPL-2.0"} if path.suffix == ".png" else None
    figure.savefig(path, dpi=110, metadata=licence)
    plt.close(figure)


def main():
    source, target = Path(sys.argv[1]), Path(sys.argv[2])
    results = json.loads(source.read_text())
    about = results["about"]
    subtitle = f"Linux {about['kernel']}, {about['commit'][:12]}, {about['rustc'].split(' (')[0]}"
    figures = defaultdict(list)
    for row in results["rows"]:
        if row["ratio"] is not None:
            figures[row["figure"]].append(row)
    for name, rows in figures.items():
        path = target / ("".join(c if c.isalnum() else "-" for c in name.split("(")[0].strip()) + ".svg")
        draw(rows, f"{name}: {subtitle}", path)
    aimed = [row for rows in figures.values() for row in rows if row["aim_ratio"] is not None]
    if aimed:
        draw(aimed, f"Instructions counted: {subtitle}", target / "bench.png")


if __name__ == "__main__":
    main()
