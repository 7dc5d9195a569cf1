"""CrowdSec's virtual-patch rules: parsed whole, and converted to the rule language."""
