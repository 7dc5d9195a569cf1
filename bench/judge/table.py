"""The count of labels, made before anything else: by group, origin and part."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from judge.rows import any_defect, known_defect

_WORDS = {True: "true", False: "false", None: "null"}
HEAD = (
    "| group | origin | part | pairs | CVEs | miss true/false/null | off true/false/null | any true/false/null "
    "| both known true/false/null |"
)


def label_table(rows: Iterable[Mapping[str, Any]]) -> str:
    """Return a Markdown table; "CVEs" are advisories, the clusters that intervals are made over."""
    groups: dict[tuple[str, str, str], list[Mapping[str, Any]]] = {}
    for row in rows:
        for origin in (row["origin"], "all"):
            for part in (row["part"], "both"):
                groups.setdefault((row["group"], origin, part), []).append(row)
    lines = [HEAD, "|---|---|---|---:|---:|---|---|---|---|"]
    lines += [_line(key, groups[key]) for key in sorted(groups)]
    return "\n".join(lines)


def _line(key: tuple[str, str, str], rows: list[Mapping[str, Any]]) -> str:
    cells = [*key, f"{len(rows):,}", f"{len({row['advisory'] for row in rows}):,}"]
    miss, off = ([row[label]["label"] for row in rows] for label in ("miss", "off"))
    for labels in (miss, off, map(any_defect, rows), map(known_defect, rows)):
        counted = Counter(_WORDS[label] for label in labels)
        cells.append(" / ".join(f"{counted[word]:,}" for word in ("true", "false", "null")))
    return "| " + " | ".join(cells) + " |"


def reasons(rows: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """Count, over natural rows, which evidence made a label true; a row can count for several."""
    counted: Counter[str] = Counter()
    for row in rows:
        for label, kinds in (
            ("miss", ("independent", "oracle", "payload")),
            ("off", ("near", "neutral", "unrelated", "benign")),
        ):
            if row[label]["label"]:
                counted.update(f"{label} {kind}" for kind in kinds if row[label][kind][0])
    return dict(counted.most_common())
