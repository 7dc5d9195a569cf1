"""Documents written for people: prose with requests, commands, links, forms and scripts in it."""

from ruleforge.sources.prose.reading import read_prose

__all__ = ["read_prose"]
