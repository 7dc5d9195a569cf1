"""Scripts that show a vulnerability, read by parsing and never run: the requests they would send."""

from ruleforge.sources.poc_code.language import language_of
from ruleforge.sources.poc_code.reading import LANGUAGES, requests_in_code

__all__ = ["LANGUAGES", "language_of", "requests_in_code"]
