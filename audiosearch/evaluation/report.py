"""One HTML page an evaluation, that needs nothing else: tables, figures, what it was.

No script, nothing loaded from elsewhere, readable in light and dark and on paper.
"""

from __future__ import annotations

from html import escape
from pathlib import Path

from audiosearch.errors import AudiosearchError
from audiosearch.evaluation.figures import svg
from audiosearch.evaluation.tables import Outcome, Table, shown

_STYLE = """
:root { color-scheme: light dark; --ink: #1d2329; --faint: #6b7580; --rule: #d9dee3;
  --paper: #ffffff; --c0: #0b62b3; --c1: #c2410c; --c2: #15803d; --c3: #8b3fb0;
  --c4: #a16207; --c5: #0e7490; --c6: #be185d; --c7: #3f4a54; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6eaee; --faint: #98a3ae; --rule: #39424b;
  --paper: #14181c; --c0: #69b1ff; --c1: #ff9a62; --c2: #6fd08c; --c3: #cf9bf0; --c4: #e3bd55;
  --c5: #5cc8dc; --c6: #ff8fc0;
  --c7: #c3ccd4; } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin-top: 2.2rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: 0.25rem 0.8rem 0.25rem 0; text-align: right; border-bottom: 1px solid var(--rule);
  white-space: nowrap; }
th { font-weight: 600; } td.word, th.word { text-align: left; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 0.1rem 1.2rem; }
dt { color: var(--faint); } dd { margin: 0; overflow-wrap: anywhere; }
.remark { border-left: 3px solid var(--c1); padding-left: 0.8rem; }
figure { margin: 1.5rem 0; } figcaption { font-weight: 600; margin-bottom: 0.4rem; }
svg { max-width: 100%; height: auto; } svg text { fill: var(--ink); font-size: 11px; }
svg .grid { stroke: var(--rule); } svg .axis { stroke: var(--faint); }
svg .curve { fill: none; stroke-width: 2; } svg .bars { stroke-width: 1.5; }
"""


def write_report(outcome: Outcome, folder: Path) -> Path:
    """Write the page into `folder`, made if need be, and return its path.

    Raises:
        AudiosearchError: it cannot be written.
    """
    path = folder / f"{outcome.name}.html"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(page(outcome), encoding="utf-8")
    except OSError as error:
        raise AudiosearchError(f"cannot be written: {error.strerror}", path=path) from error
    return path


def page(outcome: Outcome) -> str:
    """The whole HTML page."""
    facts = "\n".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in outcome.facts)
    remarks = "\n".join(f'<p class="remark">{escape(text)}</p>' for text in outcome.remarks)
    tables = "\n".join(_table(table) for table in outcome.tables)
    figures = "\n".join(
        f"<figure><figcaption>{escape(figure.title)}</figcaption>\n{svg(figure)}\n</figure>"
        for figure in outcome.figures
    )
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(outcome.title)}</title>
<style>{_STYLE}</style>
</head>
<body>
<h1>{escape(outcome.title)}</h1>
<dl>
{facts}
</dl>
{remarks}
{tables}
{figures}
</body>
</html>
"""


def _table(table: Table) -> str:
    words = [all(isinstance(row[i], str) for row in table.rows) for i in range(len(table.columns))]
    head = "".join(
        f"<th{_class(word)}>{escape(name.replace('_', ' '))}</th>"
        for name, word in zip(table.columns, words, strict=True)
    )
    body = "\n".join(
        "<tr>"
        + "".join(
            f"<td{_class(word)}>{escape(shown(cell))}</td>"
            for cell, word in zip(row, words, strict=True)
        )
        + "</tr>"
        for row in table.rows
    )
    return (
        f'<h2>{escape(table.title)}</h2>\n<div class="wide"><table>\n<thead><tr>{head}</tr></thead>'
        f"\n<tbody>\n{body}\n</tbody>\n</table></div>"
    )


def _class(word: bool) -> str:
    return ' class="word"' if word else ""
