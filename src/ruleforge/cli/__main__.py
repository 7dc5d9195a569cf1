"""Lets `python -m ruleforge.cli` do what `ruleforge` does."""

from ruleforge.cli import main

main()
