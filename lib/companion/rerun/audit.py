"""Asked of a page's kernel after its last cell: is the library it holds still the one of its files?"""

from __future__ import annotations

import ast
from pathlib import Path
from queue import Empty
from typing import Any

from companion.rerun import untouched

__all__ = ["replaced"]

WAIT_S = 60
CODE = """_audit = {{"__name__": "audit"}}
exec(compile({text!r}, {name!r}, "exec"), _audit)
_audit = _audit["altered"](__import__("pathlib").Path({lib!r}))
"""
"""Run silently. The text of the audit comes from its file: the kernel's own copy might be a replaced one."""


def replaced(client: Any, lib: Path) -> list[str]:
    """Return a sentence for each part of the library below ``lib`` that the cells replaced, or for why this cannot
    be told; ``client`` is the kernel's.
    """
    path = Path(untouched.__file__)
    code = CODE.format(text=path.read_text(encoding="utf-8"), name=path.name, lib=str(lib))
    message = client.execute(
        code, silent=True, store_history=False, user_expressions={"found": "_audit"}, allow_stdin=False
    )
    try:
        while (reply := client.get_shell_msg(timeout=WAIT_S))["parent_header"].get("msg_id") != message:
            pass
    except Empty:
        return ["expected the kernel to say whether the library is untouched, found that it does not answer"]
    found = reply["content"].get("user_expressions", {}).get("found", {})
    if found.get("status") != "ok":
        return [
            "expected the kernel to say whether the library is untouched, found "
            f"{reply['content'].get('evalue') or found.get('evalue') or reply['content']['status']}"
        ]
    return ast.literal_eval(found["data"]["text/plain"])
