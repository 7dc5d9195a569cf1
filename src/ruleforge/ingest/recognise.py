"""What a file is by its beginning, without the readers of its format: those are imported when a file is read."""


def is_text(head: bytes) -> bool:
    """Whether the beginning of a file is text of any encoding that writes ASCII as it is."""
    return head.count(b"\0") <= len(head) // 1000 and bool(head.strip())


def is_pdf(head: bytes) -> bool:
    """Whether the beginning of a file is that of a PDF."""
    return head[:1_024].lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"%PDF-")
