"""Starts a module of ours in a process of its own, which takes no module from the folder where the user stands."""

from __future__ import annotations

import sys

_WITHOUT = "import runpy, sys; del sys.path[0]; runpy.run_module(sys.argv.pop(1), run_name='__main__', alter_sys=True)"


def module(name: str) -> list[str]:
    """Returns Python's options that run a module; a yaml.py in the current folder does not become its yaml."""
    if sys.version_info >= (3, 11):
        return ["-P", "-m", name]
    return ["-c", _WITHOUT, name]  # 3.10 has no -P
