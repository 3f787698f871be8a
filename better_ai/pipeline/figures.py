"""The report's plots, as SVG text: same input, same bytes, no network and no display."""

import io
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

INK, GRID, ACCENT = "#1f2933", "#d9dee5", "#2563eb"
SYSTEM_COLORS = {"baseline": "#94a3b8", "base": "#c08a3e", "sft": "#0f9d7a", "rl": "#2563eb"}
STYLE: dict[Any, Any] = {
    "svg.hashsalt": "better-ai",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.edgecolor": GRID,
    "axes.labelcolor": INK,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
}


def curve(steps: Sequence[float], values: Sequence[float], *, y: str, color: str) -> str:
    """A line over training steps, in a system's colour; many points are drawn pale under their running mean."""
    with matplotlib.rc_context(STYLE):
        figure, axes = _canvas()
        line: dict[str, Any] = {"color": SYSTEM_COLORS[color], "linewidth": 1.8}
        if len(steps) > 40:
            axes.plot(steps, values, color=SYSTEM_COLORS[color], alpha=0.25, linewidth=0.8)
            axes.plot(steps, _running_mean(values, max(3, len(values) // 25)), **line)
        else:
            axes.plot(steps, values, marker="o", markersize=3.5, **line)
        axes.set_xlabel("step")
        axes.set_ylabel(y)
        return _svg(figure)


def pass_at_k_bars(systems: Mapping[str, Mapping[str, Any]], ks: Sequence[int]) -> str:
    """Grouped bars with intervals: one group per k, one bar per system."""
    with matplotlib.rc_context(STYLE):
        figure, axes = _canvas(width=7.6)
        width = 0.8 / len(systems)
        for index, (name, figures) in enumerate(systems.items()):
            known = [
                (place, figures["pass_at_k"][str(k)]) for place, k in enumerate(ks) if str(k) in figures["pass_at_k"]
            ]
            xs = [place + (index - (len(systems) - 1) / 2) * width for place, _ in known]
            values = [100 * point["value"] for _, point in known]
            errors = [
                [100 * (point["value"] - point["low"]) for _, point in known],
                [100 * (point["high"] - point["value"]) for _, point in known],
            ]
            axes.bar(xs, values, width * 0.92, color=SYSTEM_COLORS.get(name, ACCENT), label=name)
            axes.errorbar(xs, values, yerr=errors, fmt="none", ecolor=INK, elinewidth=1, capsize=3)
            for at, value, above in zip(xs, values, errors[1], strict=True):
                axes.text(at, value + above + 1.2, f"{value:.0f}", ha="center", fontsize=8.5)
        axes.set_xticks(range(len(ks)), [f"pass@{k}" for k in ks])
        axes.set_ylabel("held-out tasks solved, %")
        axes.set_ylim(0, 105)
        axes.grid(visible=False, axis="x")
        axes.legend(loc="upper center", ncols=len(systems), bbox_to_anchor=(0.5, 1.14))
        return _svg(figure)


def horizontal_bars(values: Mapping[str, float], *, x: str) -> str:
    """One bar per name, largest on top."""
    with matplotlib.rc_context(STYLE):
        ordered = sorted(values.items(), key=lambda item: item[1])
        figure, axes = _canvas(height=0.8 + 0.32 * max(3, len(ordered)))
        bars = axes.barh([name for name, _ in ordered], [value for _, value in ordered], color=ACCENT, height=0.6)
        axes.bar_label(bars, fmt="{:,.0f}", padding=4, fontsize=8.5)
        axes.set_xlabel(x)
        axes.margins(x=0.12)
        axes.grid(visible=False, axis="y")
        return _svg(figure)


def histogram(edges: Sequence[float], counts: Sequence[int], *, x: str, logarithmic: bool = False) -> str:
    """Bars between edges; `logarithmic` for edges in powers of two."""
    with matplotlib.rc_context(STYLE):
        figure, axes = _canvas()
        widths = [high - low for low, high in itertools.pairwise(edges)]
        axes.bar(edges[:-1], counts, widths, align="edge", color=ACCENT, edgecolor="white", linewidth=0.8)
        if logarithmic:
            axes.set_xscale("log", base=2)
            axes.xaxis.set_major_formatter(
                lambda value, _: f"{value / 1024:.0f} KB" if value >= 1024 else f"{value:.0f}"
            )
        axes.set_xlabel(x)
        axes.set_ylabel("documents")
        axes.grid(visible=False, axis="x")
        return _svg(figure)


def graph(parents: Mapping[str, Sequence[str]], notes: Mapping[str, str]) -> str:
    """A graph without circles, from left to right: each node right of its parents, with a note under its name.

    `parents` lists every node after its parents.
    """
    with matplotlib.rc_context(STYLE):
        places: dict[str, tuple[float, float]] = {}
        for name, above in parents.items():
            column = max((places[parent][0] + 1 for parent in above), default=0.0)
            row = sum(at == column for at, _ in places.values())
            places[name] = (column, -float(row))
        rows = 1 - min(y for _, y in places.values())
        figure, axes = _canvas(width=9.6, height=0.9 + 0.8 * rows)
        for name, above in parents.items():
            for parent in above:
                bend = 0.0 if places[name][0] - places[parent][0] == 1 else -0.18
                arrow = {
                    "arrowstyle": "-|>",
                    "color": "#94a3b8",
                    "connectionstyle": f"arc3,rad={bend}",
                    "shrinkA": 26,
                    "shrinkB": 30,
                }
                axes.annotate("", xy=places[name], xytext=places[parent], arrowprops=arrow)
        box = {"boxstyle": "round,pad=0.55", "facecolor": "#ffffff", "edgecolor": ACCENT}
        for name, (x, y) in places.items():
            axes.text(x, y, f"{name}\n{notes[name]}", ha="center", va="center", fontsize=8.5, bbox=box)
        axes.set_xlim(-0.5, max(x for x, _ in places.values()) + 0.5)
        axes.set_ylim(0.6 - rows, 0.6)
        axes.set_axis_off()
        return _svg(figure)


def _canvas(width: float = 6.4, height: float = 3.2) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _running_mean(values: Sequence[float], window: int) -> list[float]:
    """Mean of the last `window` values at each place; fewer at the start."""
    means, total = [], 0.0
    for index, value in enumerate(values):
        total += value - (values[index - window] if index >= window else 0.0)
        means.append(total / min(index + 1, window))
    return means


def _svg(figure: Figure) -> str:
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None}, transparent=True)
    text = buffer.getvalue()
    return text[text.index("<svg") :]
