"""Nuclei templates, read whole: what they say, and the concrete requests they send."""
