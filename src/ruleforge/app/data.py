"""x."""
from pathlib import Path
def current_files(d: Path | None) -> dict[str, Path]:
    """x."""
    return {}
