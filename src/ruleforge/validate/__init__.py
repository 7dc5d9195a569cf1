"""See docs/explanation/architecture.md. Importing the package fills CHECKS, in the order in which checks run."""

from ruleforge.validate import checks, sensor

__all__ = ["checks", "sensor"]
