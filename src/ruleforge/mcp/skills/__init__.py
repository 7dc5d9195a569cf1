"""A page for each role that an agent reads before it works: what the role is, how to do it well, what not to do."""

from importlib.resources import files

from ruleforge.store.tasks import Role


def skill_text(role: Role) -> str:
    """The page of a role, Markdown with a head that agents which load skills read."""
    return files("ruleforge.mcp.skills").joinpath(role, "SKILL.md").read_text("utf-8")
