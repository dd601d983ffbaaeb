#!/usr/bin/env python3
"""Draws the results of bench/tree/compare as SVG.

    bench/plot.py bench/results        reads results.json there, and leaves its plots beside it
"""

import json
import pathlib
import sys

import matplotlib

matplotlib.use("svg")
matplotlib.rcParams["svg.hashsalt"] = "xtree"  # the same file from the same figures
matplotlib.rcParams["svg.fonttype"] = "none"
matplotlib.rcParams["font.size"] = 9

import matplotlib.pyplot as pyplot  # noqa: E402  (after the choice of what draws)

WINDOWS = ["1e-6", "1e-4", "1e-2"]
COLOURS = {
    "xtree": "#c1272d",
    "xtree bulk": "#e8837f",
    "boost rstar": "#0b4f8a",
    "boost quadratic": "#2f7fc1",
    "boost linear": "#7fb2dd",
    "boost packed": "#16324f",
    "libspatialindex": "#7a5195",
    "libspatialindex STR": "#b08cc4",
    "GEOS STRtree": "#2e7d4f",
    "SQLite R*Tree": "#8a8a8a",
    "nanoflann": "#d99000",
    "CGAL Kd_tree": "#8c6a3f",
    "flat scan": "#555555",
}


class Results:
    """The medians, by data set, work and peer."""

    def __init__(self, document):
        self.machine = document["machine"]
        self.rows = document.get("results", [])

    def find(self, **wanted):
        return [row for row in self.rows if all(row[key] == value for key, value in wanted.items())]

    def peers(self, rows):
        found = {row["peer"] for row in rows}
        return [peer for peer in COLOURS if peer in found]

    def caption(self):
        machine = self.machine
        return (f"{machine['processor']}, {machine['cores']} cores, last cache "
                f"{machine['last cache']}, {machine['memory']}, {machine['compiler']}")


def finish(figure, results, path):
    figure.text(0.01, 0.005, results.caption(), fontsize=6, color="#666666")
    figure.tight_layout(rect=(0, 0.02, 1, 1))
    # Without a date, so that drawing again changes nothing.
    figure.savefig(path, format="svg", metadata={"Date": None})
    pyplot.close(figure)
    print(path)


def per_second(row):
    return 1e9 / row["median_ns"]


def key_beside(axes):
    axes.legend(fontsize=7, loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)


def key_of_all(all_axes):
    """One key for several panels, which may have different peers."""
    handles = {}
    for axes in all_axes:
        for handle, label in zip(*axes.get_legend_handles_labels()):
            handles.setdefault(label, handle)
    ordered = [peer for peer in COLOURS if peer in handles]
    all_axes[-1].legend([handles[peer] for peer in ordered], ordered, fontsize=7,
                        loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)


def bars(axes, results, rows, works, labels):
    """Groups of bars, one group for each work, one bar for each peer; operations per second."""
    peers = results.peers([row for row in rows if row["work"] in works])
    width = 0.85 / max(1, len(peers))
    for place, peer in enumerate(peers):
        heights = []
        for work in works:
            found = [row for row in rows if row["work"] == work and row["peer"] == peer]
            heights.append(per_second(found[0]) if found else float("nan"))
        offsets = [group + (place - (len(peers) - 1) / 2) * width for group in range(len(works))]
        axes.bar(offsets, heights, width, color=COLOURS[peer], label=peer)
    axes.set_yscale("log")
    axes.set_xticks(range(len(works)), labels)
    axes.set_ylabel("operations per second")
    axes.grid(axis="y", alpha=0.3)
    axes.set_axisbelow(True)


def plot_selectivity(results, directory):
    """Throughput by peer and selectivity, built one by one and in bulk alike."""
    for dimensions in (2, 3):
        rows = results.find(dimensions=dimensions, shape="boxes", distribution="uniform")
        works = [f"window {share}" for share in WINDOWS]
        if not any(row["work"] in works for row in rows):
            continue
        figure, axes = pyplot.subplots(figsize=(9, 4.2))
        bars(axes, results, rows, works, [f"{share} of the entries" for share in WINDOWS])
        axes.set_title(f"Window queries, {rows[0]['entries']:,} uniform boxes in {dimensions}-D")
        key_beside(axes)
        finish(figure, results, directory / f"windows-{dimensions}d.svg")


def plot_headline(results, directory):
    """What a program does all day, one tree beside the other."""
    rows = results.find(dimensions=2, shape="boxes", distribution="uniform")
    works = ["insert", "window 1e-6", "window 1e-4", "nearest 10", "erase", "update", "mixed 90/10"]
    works = [work for work in works if any(row["work"] == work for row in rows)]
    if not works:
        return
    # Trees that take inserts: the others do only a part of this.
    rows = [row for row in rows if not row["bulk"]]
    figure, axes = pyplot.subplots(figsize=(9, 4.2))
    bars(axes, results, rows, works, works)
    axes.set_title(f"{rows[0]['entries']:,} boxes in the plane, built one by one, one thread")
    key_beside(axes)
    finish(figure, results, directory / "headline.svg")


def plot_dimensions(results, directory):
    """Time of a query by the number of dimensions, on points."""
    for distribution in ("uniform", "clustered"):
        panels = ("insert", "window 1e-4", "nearest 10")
        figure, all_axes = pyplot.subplots(1, len(panels), figsize=(12, 4), squeeze=False)
        drawn = False
        for axes, work in zip(all_axes[0], panels):
            rows = results.find(shape="points", distribution=distribution, work=work)
            for peer in results.peers(rows):
                line = sorted((row["dimensions"], row["median_ns"] / 1000)
                              for row in rows if row["peer"] == peer)
                axes.plot(*zip(*line), marker="o", color=COLOURS[peer], label=peer)
                drawn = True
            axes.set_xscale("log", base=2)
            axes.set_yscale("log")
            axes.set_xticks([2, 3, 8, 16], ["2", "3", "8", "16"])
            axes.set_xlabel("dimensions (2 and 3: more entries)")
            axes.set_ylabel("microseconds")
            axes.set_title(f"{work}, {distribution}")
            axes.grid(alpha=0.3)
        if drawn:
            key_of_all(all_axes[0])
            finish(figure, results, directory / f"dimensions-{distribution}.svg")
        else:
            pyplot.close(figure)


def plot_growth(results, directory):
    """What one insert costs as the tree grows: a flat line is a good line."""
    panels = [("growth", "random order"), ("growth sorted", "sorted along one axis")]
    if not results.find(distribution="growth"):
        return
    figure, all_axes = pyplot.subplots(1, len(panels), figsize=(10, 4), sharey=True)
    for axes, (distribution, title) in zip(all_axes, panels):
        rows = [row for row in results.find(distribution=distribution)
                if row["work"] in ("insert", "bulk")]
        for peer in results.peers(rows):
            line = sorted((row["entries"], row["median_ns"]) for row in rows if row["peer"] == peer)
            axes.plot(*zip(*line), marker="o", color=COLOURS[peer], label=peer)
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlabel("entries in the end")
        axes.set_title(f"2-D boxes, {title}")
        axes.grid(alpha=0.3)
    all_axes[0].set_ylabel("nanoseconds for one entry")
    key_beside(all_axes[1])
    finish(figure, results, directory / "growth.svg")


def main():
    directory = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "bench/results")
    results = Results(json.loads((directory / "results.json").read_text()))
    for plot in (plot_headline, plot_selectivity, plot_dimensions, plot_growth):
        plot(results, directory)


if __name__ == "__main__":
    main()
