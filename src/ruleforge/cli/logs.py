"""Options that several commands share: logs with attackers, and who is known to be one."""

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

Mixed: TypeAlias = Annotated[
    list[Path] | None, typer.Option(help="Log of a site with visitors and attackers; may be repeated.")
]
KnownBad: TypeAlias = Annotated[
    list[Path] | None, typer.Option(help="List of addresses with a bad name; may be repeated.")
]
