"""The figures that `run.py` makes: which benchmark gives which key, and what a reader must know of it."""

from typing import NamedTuple


class Figure(NamedTuple):
    """One named number of `results.json`."""

    key: str
    unit: str
    what: str
    target: str = ""


class Suite(NamedTuple):
    """One benchmark: a process of its own, so that memory and failures are apart."""

    name: str
    command: tuple[str, ...]  # arguments to python; RULES, TRAFFIC are replaced; `--json OUT` is added
    figures: tuple[Figure, ...]
    limit_seconds: int = 1_200
    quick: tuple[str, ...] = ()  # further arguments for a first look: smaller samples, noisier figures


def _match(rules: str, url: str, full: str) -> tuple[Figure, ...]:
    asked = f"{int(rules):,} rules"
    return (
        Figure(f"match_{rules}_rps", "requests/s", f"{asked}, requests that show only a target", url),
        Figure(f"match_{rules}_full_rps", "requests/s", f"{asked}, full headers and bodies", full),
    )


SUITES: tuple[Suite, ...] = (
    Suite(
        "match",
        ("bench/bench_match.py", "RULES", "--traffic", "TRAFFIC", "--rules", "100,1000,5000,20000"),
        (
            *_match("5000", "≥ 400,000", "≥ 150,000"),
            *_match("20000", "≥ 250,000", "≥ 100,000"),
            Figure("rss_mb_5000", "MB", "memory of a process with 5,000 rules ready", "≤ 300"),
            Figure("load_ms_5000", "ms", "load a compiled set of 5,000 rules", "≤ 50"),
            Figure("compile_ms_5000", "ms", "compile 5,000 rules, once"),
        ),
        2_400,
        quick=("--rows", "20000"),
    ),
    Suite(
        "lines",
        ("bench/bench_lines.py", "RULES"),
        (
            Figure(
                "combined_log_match_5000_lps",
                "lines/s",
                "combined access log, read and matched, 5,000 rules",
                "≥ 300,000",
            ),
        ),
        quick=("--lines", "2000", "--seconds", "3"),
    ),
    Suite(
        "readers", ("bench/bench_readers.py",), (Figure("combined_log_lps", "lines/s", "combined access log, read"),)
    ),
    Suite(
        "scale",
        ("bench/bench_scale.py", "RULES"),
        (
            Figure("scale_two_process_ratio", "×", "two processes against one", "≥ 1.8"),
            Figure("spark_vs_local_ratio", "×", "Spark local[2] against two plain processes", "≥ 0.6"),
        ),
        2_400,
    ),
    Suite(
        "ours",
        ("-m", "peers.ours", "RULES"),
        (
            Figure("ours_1000_rps", "requests/s", "this engine, 1,000 rules, mixed traffic"),
            Figure("ours_5000_rps", "requests/s", "this engine, 5,000 rules, mixed traffic"),
            Figure("python_loop_1000_rps", "requests/s", "the floor: one rule after the other in Python, 1,000 rules"),
            Figure("python_loop_5000_rps", "requests/s", "the floor with 5,000 rules"),
        ),
        quick=("--requests", "2000", "--floor", "20"),
    ),
    Suite(
        "modsecurity",
        ("-m", "peers.modsecurity", "RULES"),
        (
            Figure("modsecurity_0_rps", "requests/s", "libmodsecurity without rules, the same traffic"),
            Figure("modsecurity_1000_rps", "requests/s", "libmodsecurity, 1,000 rules (those it can say)"),
            Figure("modsecurity_5000_rps", "requests/s", "libmodsecurity, 5,000 rules (those it can say)"),
        ),
        quick=("--requests", "100", "--exploits", "100"),
    ),
    Suite(
        "suricata",
        ("-m", "peers.suricata", "RULES"),
        (
            Figure("suricata_0_rps", "requests/s", "Suricata without rules, the same traffic from a capture"),
            Figure("suricata_1000_rps", "requests/s", "Suricata, 1,000 rules (those it can say)"),
            Figure("suricata_5000_rps", "requests/s", "Suricata, 5,000 rules (those it can say)"),
        ),
        quick=("--requests", "3000", "--exploits", "100"),
    ),
)


def render_table(results: dict[str, object]) -> str:
    """Write the figures of `results.json` as a Markdown table; a figure that is missing says why."""
    lines = ["| figure | measured | unit | target | what |", "|---|---|---|---|---|"]
    owed = [figure for suite in SUITES for figure in suite.figures]
    for figure in owed + _others(results, {figure.key for figure in owed}):
        value = results.get(figure.key)
        shown = _shown(value) if value is not None else f"– ({results.get(figure.key + '_reason', 'not run')})"
        lines.append(f"| `{figure.key}` | {shown} | {figure.unit} | {figure.target} | {figure.what} |")
    lines += ["", _circumstances(results)]
    return "\n".join(lines) + "\n"


def _others(results: dict[str, object], known: set[str]) -> list[Figure]:
    """Return the speeds that a benchmark gave beside those it owes: further formats, other numbers of rules."""
    endings = {"_lps": "lines/s", "_rps": "requests/s"}
    return [
        Figure(key, endings[key[-4:]], key[:-4].replace("_", " "))
        for key, value in results.items()
        if key[-4:] in endings and key not in known and value is not None
    ]


def _shown(value: object) -> str:
    return f"{value:,}" if isinstance(value, int | float) else str(value)


def _circumstances(results: dict[str, object]) -> str:
    asked = {key: results.get(key, "?") for key in ("date", "git_revision", "python_version", "cpu", "cores", "rules")}
    loads = f"load {results.get('load_before', '?')} before and {results.get('load_after', '?')} after"
    size = "with small samples (--quick) " if results.get("quick") else ""
    return (
        f"Measured {size}on {asked['date']} at revision {asked['git_revision']} "
        f"with Python {asked['python_version']} on {asked['cores']} cores "
        f"({asked['cpu']}), {loads}, from {asked['rules']} forged rules and "
        f"{results.get('traffic', '?')}."
    )
