"""PDF files become text within bounds, or a reasoned error."""

import pytest

from ruleforge.errors import InputError
from ruleforge.ingest import pdf
from ruleforge.ingest.facts import facts_of
from ruleforge.ingest.prose import read_page

LINES = ("CVE-2099-4401", "SQL injection in Pear Shop via the crate_no", "parameter to /press/save.php.")


def make_pdf(lines: tuple[str, ...], pages: int = 1) -> bytes:
    """A PDF with `lines` on each page, as small as they come."""
    text = "BT /F1 12 Tf 14 TL 40 700 Td " + " ".join(f"({line}) Tj T*" for line in lines) + " ET"
    objects = ["<< /Type /Catalog /Pages 2 0 R >>"]
    kids = " ".join(f"{4 + 2 * n} 0 R" for n in range(pages))
    objects += [
        f"<< /Type /Pages /Kids [{kids}] /Count {pages} >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for number in range(pages):
        place = f"/MediaBox [0 0 600 800] /Resources << /Font << /F1 3 0 R >> >> /Contents {5 + 2 * number} 0 R"
        objects += [f"<< /Type /Page /Parent 2 0 R {place} >>", f"<< /Length {len(text)} >>\nstream\n{text}\nendstream"]
    data, offsets = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, 1):
        offsets.append(len(data))
        data += f"{number} 0 obj\n{content}\nendobj\n".encode()
    table = "".join(f"{offset:010d} 00000 n \n" for offset in offsets)
    tail = (
        f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}trailer\n<< /Size {len(objects) + 1} /Root 1 0 R >>\n"
    )
    return data + f"{tail}startxref\n{len(data)}\n%%EOF\n".encode()


def test_the_words_of_a_pdf_give_facts_with_places() -> None:
    normal = pdf.text_of_pdf(make_pdf(LINES), "a.pdf")
    found = facts_of(normal, "a.pdf")
    assert found.verdict == "enough"
    assert [fact.value for fact in found.of("parameter")] == ["crate_no"]
    assert all(normal.text[fact.start : fact.end] == fact.quote for fact in found.facts)


def test_a_pdf_becomes_an_advisory() -> None:
    found = read_page(make_pdf(LINES), "a.pdf")
    assert found.cves == ("CVE-2099-4401",)
    assert found.requests


def test_pages_beyond_the_bound_are_left_out_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdf, "PAGES_MOST", 2)
    found = pdf.text_of_pdf(make_pdf(("pears",), pages=4), "a.pdf")
    assert found.text.count("pears") == 2
    assert found.problems == ("only the first 2 of 4 pages were read",)


def test_a_pdf_without_words_says_so() -> None:
    assert "no text" in pdf.text_of_pdf(make_pdf(()), "a.pdf").problems[0]


@pytest.mark.parametrize("data", [b"%PDF-1.4\n", b"%PDF-1.7\n" + b"1 0 obj\n<<" * 5_000])
def test_a_broken_pdf_is_an_error_with_its_place(data: bytes) -> None:
    with pytest.raises(InputError) as caught:
        pdf.text_of_pdf(data, "a.pdf")
    assert (caught.value.code, caught.value.where) == ("RF233", "a.pdf")


def test_a_pdf_that_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdf, "SECONDS_MOST", 0.01)
    with pytest.raises(InputError, match="RF233"):
        pdf.text_of_pdf(make_pdf(LINES * 30, pages=60), "a.pdf")
