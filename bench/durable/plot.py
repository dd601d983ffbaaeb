#!/usr/bin/env python3
"""Draws the results of bench/durable as SVG.

    bench/durable/plot.py bench/results    reads durable.json there, and leaves its plots beside it
"""

import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from plot import COLOURS, Results, finish, key_beside, pyplot  # noqa: E402

PEERS = {
    "bare log": "#555555",
    "xtree": COLOURS["xtree"],
    "RocksDB": "#0b4f8a",
    "LMDB": "#2e7d4f",
    "SQLite R*Tree": COLOURS["SQLite R*Tree"],
}


def plot_writers(results, directory):
    """Durable inserts per second by the number of threads that wait for theirs."""
    rows = [row for row in results.find(unit="inserts/s")
            if row["row"].startswith("strict") and "writer" in row["row"]]
    if not rows:
        return
    figure, axes = pyplot.subplots(figsize=(8, 4.2))
    for peer, colour in PEERS.items():
        line = sorted((int(row["row"].split()[1]), row["median"])
                      for row in rows if row["who"] == peer)
        axes.plot(*zip(*line), marker="o", color=colour, label=peer)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xticks([1, 4, 16, 64], ["1", "4", "16", "64"])
    axes.set_xlabel("writers, each waiting until its insert is synced")
    axes.set_ylabel("inserts per second")
    axes.set_title("Durable inserts")
    axes.grid(alpha=0.3)
    key_beside(axes)
    finish(figure, results, directory / "durable-writers.svg")


def plot_timeline(results, timeline, directory):
    """What one insert waits for while time goes by; the bands are checkpoints."""
    slices = timeline["slices"]
    at = [piece["at"] for piece in slices]
    figure, axes = pyplot.subplots(figsize=(9, 4.2))
    for name, colour in (("max", "#bbbbbb"), ("p99", "#e8837f"), ("p50", COLOURS["xtree"])):
        axes.plot(at, [piece[name] for piece in slices], color=colour, label=name, linewidth=1)
    for number, checkpoint in enumerate(timeline["checkpoints"]):
        axes.axvspan(checkpoint["from"], checkpoint["to"], color="#2f7fc1", alpha=0.25,
                     label="checkpoint" if number == 0 else None)
    axes.set_yscale("log")
    axes.set_xlabel("seconds")
    axes.set_ylabel("microseconds, in slices of a tenth of a second")
    axes.set_title(f"Durable inserts by {timeline['writers']} writers "
                   f"into {timeline['entries']:,} entries, and checkpoints")
    axes.grid(alpha=0.3)
    key_beside(axes)
    finish(figure, results, directory / "durable-latency.svg")


def main():
    directory = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "bench/results")
    document = json.loads((directory / "durable.json").read_text())
    results = Results({"machine": document["machine"], "results": document["rows"]})
    plot_writers(results, directory)
    if "timeline" in document:
        plot_timeline(results, document["timeline"], directory)


if __name__ == "__main__":
    main()
