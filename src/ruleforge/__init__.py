"""RuleForge: from the disclosure of a vulnerability to a validated, approved, deployable detection rule."""

__version__ = "0.1.0"
