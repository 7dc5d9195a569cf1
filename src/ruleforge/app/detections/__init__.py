"""Rules of our own for other events, and for requests that have to be counted: data beside this module."""

from pathlib import Path

from ruleforge.app.rules import Loaded, load_rules

FOLDER = Path(__file__).parent
BUILTIN = "builtin"  # what stands for these rules where a path is asked for


def load_detections() -> Loaded:
    """Load our own rules. They have no evidence of a forge: the tests beside them are run when RuleForge is built."""
    return load_rules(FOLDER, unvalidated=True)
