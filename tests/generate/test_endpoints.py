"""What of a path names the endpoint."""

import pytest

from ruleforge.background.table import default_background
from ruleforge.cases.anatomy import dissect
from ruleforge.events.request import Request
from ruleforge.generate.endpoints import endpoint_facets
from ruleforge.records.advisory import PocRequest
from ruleforge.rules.tree import Condition

PATHS = [
    ("/wp-content/plugins/larder-shelf/inc/jar.php", "/larder-shelf/inc/jar.php"),
    ("/blog/wp-content/themes/pantry/send.php", "/pantry/send.php"),
    ("/modules/larder/jar.php", "/larder/jar.php"),
    ("/wp-content/plugins/larder.php", "/larder.php"),
    ("/larder/shelf/jar.cgi", "/jar.cgi"),
]


@pytest.mark.parametrize(("path", "shortest"), PATHS)
def test_where_a_folder_holds_extensions_the_shortest_suffix_names_the_extension(path: str, shortest: str) -> None:
    poc = PocRequest(request=Request(method=b"GET", target=path.encode()))
    trees = [facet.tree for facet in endpoint_facets(dissect(poc), default_background())]
    suffixes = [
        t.value for t in trees if isinstance(t, Condition) and t.op == "path_suffix" and isinstance(t.value, bytes)
    ]
    assert min(suffixes, key=len) == shortest.encode()
    assert all(path.endswith(suffix.decode()) for suffix in suffixes)
