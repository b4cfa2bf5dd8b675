"""Runs the code cells of a notebook in order, and writes it with what they give.

    python docs/run_notebook.py docs/notebooks/explore.ipynb [WRITTEN.ipynb]

in a folder that holds `sounds`, as `make demo` makes them. It needs no Jupyter: cells share a
namespace, what they print and what their last expression is worth become their outputs.
"""

from __future__ import annotations

import ast
import base64
import contextlib
import io
import json
import sys
from pathlib import Path
from typing import Any


def run_cell(source: str, *, name: str, namespace: dict[str, Any]) -> list[dict[str, Any]]:
    """The outputs of one cell, in the form of notebooks."""
    tree = ast.parse(source, name)
    last = None
    if tree.body and isinstance(tree.body[-1], ast.Expr) and not source.rstrip().endswith(";"):
        last = ast.Expression(tree.body.pop().value)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(tree, name, "exec"), namespace)  # noqa: S102  # that is what a notebook is
        value = None if last is None else eval(compile(last, name, "eval"), namespace)  # noqa: S307
    outputs: list[dict[str, Any]] = []
    if printed.getvalue():
        text = printed.getvalue().splitlines(keepends=True)
        outputs.append({"name": "stdout", "output_type": "stream", "text": text})
    if value is not None:
        data: dict[str, Any] = {"text/plain": repr(value).splitlines(keepends=True)}
        if hasattr(value, "_repr_png_"):  # as Jupyter shows pictures
            data["image/png"] = base64.b64encode(value._repr_png_()).decode("ascii")
        outputs.append({"data": data, "metadata": {}, "output_type": "execute_result"})
    return outputs


def run_notebook(notebook: dict[str, Any]) -> None:
    """Run all cells and keep what they give, in place."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    for number, cell in enumerate(cells, start=1):
        outputs = run_cell("".join(cell["source"]), name=f"cell {number}", namespace=namespace)
        for output in outputs:
            if output["output_type"] == "execute_result":
                output["execution_count"] = number
        cell["outputs"], cell["execution_count"] = outputs, number


def main(source: Path, target: Path) -> None:
    """Run one notebook file and write another, or the same anew."""
    notebook = json.loads(source.read_text("utf-8"))
    run_notebook(notebook)
    text = json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
    target.write_text(text, "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[-1]))
