"""What is installed here, what is missing, and what that disables."""

import os
import platform
from datetime import date
from importlib import metadata

import msgspec
import yaml

from ruleforge import __version__
from ruleforge.app.data import DataState, data_status
from ruleforge.app.data_kinds import KINDS
from ruleforge.background.table import Background, default_background, load_background
from ruleforge.engine.matching import PlainMatcher, make_matcher
from ruleforge.errors import RuleForgeError
from ruleforge.rules.classes import CLASSES, latest_version
from ruleforge.settings import NAMES, Settings

LIBRARIES = ("msgspec", "google-re2", "hyperscan", "numpy", "PyYAML", "SQLAlchemy", "typer", "rich", "platformdirs")


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing looked at: `state` "ok", "limited" (works, with a loss) or "broken"."""

    what: str
    state: str
    value: str
    consequence: str = ""  # what does not work, or works worse, and what to do


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """All findings, and the settings with where each came from."""

    findings: tuple[Finding, ...]
    settings: dict[str, tuple[str, str]]  # name → (value, source)

    @property
    def ok(self) -> bool:
        """Whether nothing is broken; something may be slow."""
        return all(finding.state != "broken" for finding in self.findings)


def doctor(settings: Settings, *, today: date) -> Health:
    """Look at versions, optional engines, the background table, the fetched data (its age as of `today`), settings."""
    findings = [
        Finding(what="ruleforge", state="ok", value=__version__),
        Finding(
            what="Python", state="ok", value=f"{platform.python_version()} on {platform.system()} {platform.machine()}"
        ),
        Finding(what="cores", state="ok", value=str(os.cpu_count() or 1)),
        *[_library(name) for name in LIBRARIES],
        _matcher(),
        _yaml(),
        _classes(),
        _background(settings),
        *_data(settings, today),
        *_files(settings),
    ]
    values = {name: (_shown(getattr(settings, name)), settings.sources.get(name, "default")) for name in NAMES}
    return Health(findings=tuple(findings), settings=values)


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "none"
    return "none" if value is None else str(value)


def _library(name: str) -> Finding:
    try:
        return Finding(what=name, state="ok", value=metadata.version(name))
    except metadata.PackageNotFoundError:
        state = "limited" if name == "hyperscan" else "broken"
        return Finding(what=name, state=state, value="not installed", consequence=f"install it: pip install {name}")


def _matcher() -> Finding:
    """Hyperscan may be installed and still not work on this processor."""
    matcher = make_matcher([b"ruleforge", b"doctor"])
    if sorted(matcher.find(b"a doctor for ruleforge")) != [0, 1]:
        return Finding(what="literal search", state="broken", value="wrong answers", consequence="do not trust a scan")
    if isinstance(matcher, PlainMatcher):
        lost = "scans with many rules take several times longer; hits are the same"
        return Finding(what="literal search", state="limited", value="plain", consequence=lost)
    return Finding(what="literal search", state="ok", value="hyperscan")


def _yaml() -> Finding:
    if hasattr(yaml, "CSafeLoader"):
        return Finding(what="YAML reader", state="ok", value="libyaml")
    lost = "reading templates takes about ten times longer"
    return Finding(what="YAML reader", state="limited", value="pure Python", consequence=lost)


def _classes() -> Finding:
    known = ", ".join(f"{name} {latest_version(name)}" for name in sorted(CLASSES))
    return Finding(what="payload classes", state="ok" if CLASSES else "broken", value=known or "none")


def _background(settings: Settings) -> Finding:
    try:
        table: Background = load_background(settings.background) if settings.background else default_background()
    except (RuleForgeError, OSError, msgspec.MsgspecError) as problem:
        lost = "forging does not start; make one with 'ruleforge background build'"
        return Finding(what="background table", state="broken", value=str(problem), consequence=lost)
    file = table.file
    whose = "own" if settings.background else "default"
    value = f"{whose}, version {file.version} of {file.made}, {file.rows:,} requests ({file.source})"
    return Finding(what="background table", state="ok", value=value)


def _data(settings: Settings, today: date) -> list[Finding]:
    """Of when the data for triage is."""
    try:
        states = data_status(settings.data_dir, now=today)
    except RuleForgeError as problem:
        return [Finding(what="fetched data", state="broken", value=str(problem), consequence="triage does not start")]
    return [_data_finding(state) for state in states]


def _data_finding(state: DataState) -> Finding:
    what, edition = f"data: {state.kind}", state.edition
    if edition is None:
        if not KINDS[state.kind].by_default:
            return Finding(what=what, state="ok", value="none")
        lost = f"triage cannot tell about {state.meaning}; run 'ruleforge data update'"
        return Finding(what=what, state="limited", value="none", consequence=lost)
    age = "" if state.age_days is None else f", {state.age_days} days old"
    value = f"of {edition.date or 'an unknown date'}{age}, {edition.count:,} in {state.place}"
    lost = f"{state.warning}; run 'ruleforge data update'" if state.warning else ""
    return Finding(what=what, state="limited" if lost else "ok", value=value, consequence=lost)


def _files(settings: Settings) -> list[Finding]:
    missing = [path for path in settings.benign if not path.is_file()]
    lost = "forging does not start; correct the setting"
    findings = [
        Finding(what="benign file", state="broken", value=f"{path} is missing", consequence=lost) for path in missing
    ]
    if not settings.benign:
        lost = "rules are not tried on your ordinary traffic; set it, or give 'forge --benign FILE'"
        findings.append(Finding(what="benign files", state="limited", value="none", consequence=lost))
    return findings
