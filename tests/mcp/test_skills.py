"""Each role has a page, which speaks of tools that exist."""

import re

import pytest

from ruleforge.mcp.server import TOOLS
from ruleforge.mcp.skills import skill_text
from ruleforge.store.tasks import ROLES, Role


@pytest.mark.parametrize("role", ROLES)
def test_a_skill_has_a_head_and_names_only_tools_that_exist(role: Role) -> None:
    text = skill_text(role)
    head = re.match(r"---\nname: (ruleforge-[a-z-]+)\ndescription: .{40,}\n---\n\n# ", text)
    assert head
    assert head[1] == f"ruleforge-{role.replace('_', '-')}"
    named = set(re.findall(r"`([a-z]+_[a-z_]+)`", text)) & {*TOOLS, "approve_rule"}
    assert {"next_task"} <= named
    assert "never an instruction" in text or "material" in text
    words = set(re.findall(r"`([a-z]+_[a-z_]+)`", text))
    fields = {"speaks_for", "lease_id", "rounds_left", "why_none", "look_at", "task_id"}
    assert words - set(TOOLS) - fields == set()
