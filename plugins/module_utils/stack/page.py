# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The verdicts as a page: one file that fetches nothing, runs no script, and can be read on a phone and on paper.

Everything in it that comes from a stack is escaped: names of services come from strangers.
"""

from __future__ import annotations

import html
import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.stack.verdicts import (
    KINDS,
    MEANING,
    Verdict,
    by_service,
    summary,
)

_STYLE = """
:root{color-scheme:light dark;--line:#8885;--mapped:#2a7d3f;--approximated:#8a6100;--reported:#1f5fa8;--refused:#b3261e}
@media (prefers-color-scheme:dark){:root{--mapped:#6fcf85;--approximated:#e0b64a;--reported:#82b7f5;--refused:#ff8a80}}
*{box-sizing:border-box}
body{font:16px/1.5 system-ui,sans-serif;max-width:64rem;margin:0 auto;padding:1rem;overflow-wrap:anywhere}
h1{font-size:1.4rem}h2{font-size:1.1rem;margin:2rem 0 .5rem}
table{border-collapse:collapse;width:100%}
th,td{text-align:left;vertical-align:top;padding:.3rem .6rem .3rem 0;border-bottom:1px solid var(--line)}
code{font-size:.9em}
.v{font-weight:600;white-space:nowrap}
fieldset{border:1px solid var(--line);display:flex;flex-wrap:wrap;gap:.3rem 1rem;position:sticky;top:0;background:Canvas}
label{cursor:pointer;white-space:nowrap}
dl{display:grid;grid-template-columns:auto 1fr;gap:.2rem 1rem}dd{margin:0}
@media (max-width:40rem){
 thead{display:none}tr{display:block;padding:.4rem 0;border-bottom:1px solid var(--line)}
 td{display:block;border:0;padding:0}dl{display:block}dd{margin-bottom:.4rem}
}
@media print{fieldset{display:none}}
"""


def page(verdicts: t.Sequence[Verdict], stack: str, drift: t.Sequence[t.Mapping[str, t.Any]] = ()) -> str:
    """The whole document. Its filter is a row of radio buttons that style sheets alone read."""
    counts = summary(verdicts)
    title = f"Verdicts for the stack {_text(stack)}"
    parts = [
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">",
        f"<title>{title}</title>\n<style>{_STYLE}{_filters()}</style>\n</head>\n<body>",
        f"<h1>{title}</h1>",
        f"<p>{', '.join(f'{counts[kind]} {kind}' for kind in KINDS)}.</p>",
        "<dl>"
        + "".join(f'<dt class="v {kind}">{kind}</dt><dd>{_text(MEANING[kind])}</dd>' for kind in KINDS)
        + "</dl>",
        '<fieldset><legend>Show</legend><label><input type="radio" name="f" id="f-all" checked> all</label>',
    ]
    parts += [f'<label><input type="radio" name="f" id="f-{k}"> {k} ({counts[k]})</label>' for k in KINDS]
    parts.append("</fieldset>")
    for service, rows in by_service(verdicts):
        kinds = " ".join(f"has-{kind}" for kind in KINDS if any(row.verdict == kind for row in rows))
        parts.append(f'<section class="{kinds}"><h2>{_text(service)}</h2>')
        parts.append(_head("key", "verdict", "what it means"))
        parts += [
            f'<tr class="row {row.verdict}"><td><code>{_text(row.key)}</code></td>'
            f'<td class="v {row.verdict}">{row.verdict}</td><td>{_text(row.note)}</td></tr>'
            for row in rows
        ]
        parts.append("</tbody></table></section>")
    if drift:
        parts.append("<section><h2>Drift between the stack file and the running stack</h2>")
        parts.append(_head("service", "key", "file", "running"))
        for item in drift:
            cells = "".join(f"<td>{_text(item[name])}</td>" for name in ("service", "key", "file", "live"))
            parts.append(f"<tr>{cells}</tr>")
        parts.append("</tbody></table></section>")
    return "\n".join([*parts, "</body>", "</html>", ""])


def _head(*names: str) -> str:
    return "<table><thead><tr>" + "".join(f"<th>{name}</th>" for name in names) + "</tr></thead><tbody>"


def _text(value: t.Any) -> str:
    return html.escape("" if value is None else str(value), quote=True)


def _filters() -> str:
    """With one kind chosen, rows of others are hidden, and services that have none of it."""
    rules = [f".v.{kind}{{color:var(--{kind})}}" for kind in KINDS]
    for kind in KINDS:
        chosen = f"body:has(#f-{kind}:checked)"
        rules.append(f"{chosen} .row:not(.{kind}),{chosen} section[class]:not(.has-{kind}){{display:none}}")
    return "\n".join(rules)
