"""Pictures of a report: reliability and coverage-risk, each as PNG and SVG."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ruleforge.app.judging.measuring import Measured
from ruleforge.app.judging.report import APART, JUDGE, JudgeReport, table_of
from ruleforge.app.visible import visible
from ruleforge.errors import OutsideError, UsageError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LABELS = {"any": "either defect", "miss": "misses attacks", "off": "off target"}
BLUE, GREY, ORANGE = "#1f5f8b", "#7a7a7a", "#c05a1c"
_POINTS = {"color": BLUE, "marker": "o", "markersize": 4, "capsize": 2, "linewidth": 1.2}
_SETTINGS = {"svg.hashsalt": "ruleforge", "svg.fonttype": "none", "font.size": 9, "axes.titlesize": 10}


def require_plots() -> None:
    """Fail before any work where the library that draws is not there.

    Raises:
        UsageError: it is not installed (RF173).
    """
    try:
        import matplotlib as mpl  # noqa: F401
    except ImportError as problem:
        hint = "install the extra: pip install 'ruleforge[plots]'"
        raise UsageError("Matplotlib is not installed", hint=hint, code="RF173") from problem


def write_plots(report: JudgeReport, folder: Path) -> tuple[Path, ...]:
    """Draw the plots of `report` into `folder`; return the files, in order.

    Raises:
        UsageError: Matplotlib is not installed (RF173).
        OutsideError: the folder cannot be written (RF502).
    """
    require_plots()
    import matplotlib as mpl

    written: list[Path] = []
    with mpl.rc_context(_SETTINGS):
        for name, figure in _figures(report):
            figure.draw_without_rendering()  # places everything once, not for each file
            figure.set_layout_engine("none")
            for kind in ("png", "svg"):
                file = folder / f"{name}.{kind}"
                try:
                    folder.mkdir(parents=True, exist_ok=True)
                    # No date in it: the same report gives the same bytes.
                    figure.savefig(file, dpi=144, metadata={"Date": None} if kind == "svg" else {"Software": None})
                except OSError as problem:
                    told = f"cannot write the picture: {problem.strerror}"
                    raise OutsideError(told, where=str(file), code="RF502") from problem
                written.append(file)
    return tuple(written)


def _figures(report: JudgeReport) -> Iterator[tuple[str, "Figure"]]:
    for group in ("natural", "constructed"):
        found = {
            label: table.answered
            for label in LABELS
            if (table := table_of(report.tables, group=group, label=label, scorer=JUDGE)) and table.answered.reliability
        }
        if found:
            yield f"reliability-{group}", _reliability(report, group, found)
            yield f"coverage-risk-{group}", _coverage_risk(report, group, found)


def _panels(report: JudgeReport, group: str, count: int, title: str) -> tuple["Figure", list[Any]]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3.6 * count + 0.6, 5.0), layout="constrained")
    # The name of a judge comes from a file: its letters may have no picture, and a dollar sign begins mathematics.
    judge = report.judge[:80].encode("ascii", "backslashreplace").decode()
    judge = visible(judge).replace("$", r"\$")
    figure.suptitle(f"{title}: {group} rules, {report.part} part, {judge}")
    return figure, list(figure.subplots(1, count, squeeze=False)[0])


def _reliability(report: JudgeReport, group: str, found: dict[str, Measured]) -> "Figure":
    """Share of bad rules against the probability that was told, one point a bin, with Wilson intervals."""
    from ruleforge.records.quality import rate

    figure, panels = _panels(report, group, len(found), "Reliability")
    for axes, (label, measured) in zip(panels, found.items(), strict=True):
        bins = [(b, rate(b.bad, b.rows)) for b in measured.reliability]
        arms = [[b.share - r.low for b, r in bins], [r.high - b.share for b, r in bins]]
        axes.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle="--", label="perfectly calibrated")
        axes.errorbar([b.said for b, _ in bins], [b.share for b, _ in bins], yerr=arms, label="judge", **_POINTS)
        axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal", xlabel="probability told by the judge")
        axes.set_title(f"{LABELS[label]}\n{measured.rows:,} rules, {_error(measured)}")
        axes.grid(visible=True, color="#e4e4e4", linewidth=0.6)
    panels[0].set_ylabel("share of rules that are bad (95 %)")
    return _with_legend(figure, panels)


def _error(measured: Measured) -> str:
    return "ECE not told" if measured.ece is None else f"ECE {measured.ece:.3f}"


def _coverage_risk(report: JudgeReport, group: str, found: dict[str, Measured]) -> "Figure":
    """Share of bad rules among those shipped, against how many are shipped, least suspected first."""
    figure, panels = _panels(report, group, len(found), "Coverage and risk")
    for axes, (label, measured) in zip(panels, found.items(), strict=True):
        base = measured.bad / measured.rows
        axes.axhline(base, color=GREY, linewidth=1, linestyle="--", label="without a judge")
        axes.plot(*_curve(measured), color=BLUE, linewidth=1.6, label="judge")
        apart = table_of(report.tables, group=group, label=label, scorer=APART)
        if apart and apart.answered.risk:
            axes.plot(
                *_curve(apart.answered),
                color=ORANGE,
                linewidth=1.2,
                linestyle="-.",
                label="without the label's own kind",
            )
        ideal = [max(0.0, (k - (measured.rows - measured.bad) / measured.rows)) / k for k in _SHARES]
        axes.plot(_SHARES, ideal, color=GREY, linewidth=1, linestyle=":", label="knows every label")
        top = min(1.02, max(1.3 * base, 1.1 * max(measured.risk), 0.01))
        axes.set(xlim=(0, 1.02), ylim=(-0.04 * top, top), xlabel="share of rules shipped")
        axes.set_title(f"{LABELS[label]}\n{measured.rows:,} rules, area {measured.aurc:.3f}")
        axes.grid(visible=True, color="#e4e4e4", linewidth=0.6)
    panels[0].set_ylabel("share of those that are bad")
    return _with_legend(figure, panels)


def _with_legend(figure: "Figure", panels: list[Any]) -> "Figure":
    """Name the lines once, below the panels: each panel may lack some of them."""
    named = {name: line for axes in panels for line, name in zip(*axes.get_legend_handles_labels(), strict=True)}
    figure.legend(named.values(), named.keys(), loc="outside lower center", ncols=2, frameon=False)
    return figure


_SHARES = [k / 20 for k in range(1, 21)]


def _curve(measured: Measured) -> tuple[list[float], tuple[float, ...]]:
    return _SHARES, measured.risk
