"""The comparison as one picture: deliveries per second at saturation, and what one costs when there is nothing to batch."""

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

Runs = Sequence[Mapping[str, float]]
PANELS = (
    ("S2", "deliveries_per_s", "S2: deliveries per second, 1,000 readers (log)"),
    ("S3", "server_cpu_ns", "S3: server CPU ns per delivery, 20 events/s to 1,000 readers"),
)


def fan_out(rounds: Mapping[str, Mapping[str, Runs]], path: Path) -> None:
    """Writes an SVG with a panel for each of PANELS that was measured. ImportError without matplotlib (the `bench` extra)."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.fonttype"] = "none"  # text stays text
    mpl.rcParams["svg.hashsalt"] = "teslafast"  # the same figures give the same file
    from matplotlib import pyplot

    panels = [panel for panel in PANELS if rounds.get(panel[0])]
    if not panels:
        return
    figure, axes = pyplot.subplots(len(panels), 1, figsize=(9, 3.2 * len(panels)), squeeze=False, layout="constrained")
    for (scenario, key, title), axis in zip(panels, axes[:, 0], strict=True):
        medians = {name: statistics.median(run[key] for run in runs) for name, runs in rounds[scenario].items()}
        names = sorted(medians, key=medians.__getitem__, reverse=key == "server_cpu_ns")  # the best on top
        bars = axis.barh(names, [medians[name] for name in names])
        for name, bar in zip(names, bars, strict=True):
            bar.set_color("#c8102e" if name.startswith("teslafast") else "#8a8d91")
        axis.bar_label(bars, [f"{medians[name]:,.0f}" for name in names], padding=4)
        axis.set_title(title, loc="left")
        axis.set_xscale("log" if key == "deliveries_per_s" else "linear")
        axis.margins(x=0.15)
        axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, metadata={"Date": None})
