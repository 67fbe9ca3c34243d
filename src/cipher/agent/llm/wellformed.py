"""Makes streamed text fit for storage and JSON: no NUL and no lone surrogates.

Endpoints that cut their answer by UTF-16 units send an emoji as two halves in two chunks. They
are joined again; a half whose partner never comes, and NUL, become U+FFFD.
"""

from __future__ import annotations

REPLACEMENT = "\ufffd"


class WellFormed:
    """One stream of text, mended piece by piece."""

    def __init__(self) -> None:
        self._half = ""

    def feed(self, text: str) -> str:
        """The next piece, mended; a half emoji at its end waits for the next one."""
        if self._half:
            text, self._half = self._half + text, ""
        if "\0" in text:
            text = text.replace("\0", REPLACEMENT)
        if text.isascii():
            return text
        try:
            text.encode()
        except UnicodeEncodeError:
            if "\ud800" <= text[-1] <= "\udbff":
                text, self._half = text[:-1], text[-1]
            return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        return text

    def end(self) -> str:
        """What is left when nothing comes any more."""
        half, self._half = self._half, ""
        return REPLACEMENT if half else ""
