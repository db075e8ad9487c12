"""The style sheet of the page of ``--html``, light and dark. Contrasts are at least 4.5 to 1 (WCAG 2.2, 1.4.3).

Words are not broken: if the columns would be too narrow for them, each row becomes a card.
"""

from __future__ import annotations

_FILTERED = ("valid", "limited", "rejected", "indeterminate", "unopened", "due")
_ACCOUNT_REM, _PROVIDER_REM = 14, 13
"""The widths of the columns, so that the longest reason fits on a line."""

_STYLE = """
:root{--page:#fff;--ink:#1b1f24;--soft:#57606a;--line:#d0d7de;--link:#0550ae;
--valid:#dafbe1;--limited:#fff1c2;--rejected:#ffd7d5;--indeterminate:#dbe9fb;--unopened:#e9dcf9}
@media (prefers-color-scheme:dark){:root{--page:#0d1117;--ink:#e6edf3;--soft:#9aa4af;--line:#3d444d;--link:#6cb6ff;
--valid:#12361f;--limited:#43340a;--rejected:#571b1b;--indeterminate:#123054;--unopened:#36215c}
a{color:#8cc8ff}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:110rem;padding:1rem clamp(.75rem,2vw,2rem);background:var(--page);color:var(--ink);
font:1rem/1.5 system-ui,sans-serif}
h1{font-size:1.5rem;margin:.5rem 0}h2{font-size:1.15rem;margin:1.75rem 0 .5rem}h3{font-size:1rem;margin:0}
a{color:var(--link)}
.skip{position:absolute;left:-99rem}.skip:focus{left:1rem;background:var(--page);padding:.5rem}
:focus-visible{outline:3px solid var(--link);outline-offset:2px}
.error{border-left:4px solid var(--link);padding-left:.75rem}
.filters{border:1px solid var(--line);border-radius:6px;margin:0;padding:.5rem .75rem;display:flex;
flex-wrap:wrap;gap:.5rem}
.filters label{border:1px solid var(--line);border-radius:6px;padding:.25rem .75rem;cursor:pointer}
.filters input{margin:0 .5rem 0 0}
.filters label:has(:checked){outline:2px solid var(--ink)}
.steps{list-style:none;margin:0;padding:0;display:grid;gap:.5rem;
grid-template-columns:repeat(auto-fill,minmax(min(30rem,100%),1fr))}
.steps li{border:1px solid var(--line);border-radius:6px;padding:.6rem .9rem}
.steps p{margin:.25rem 0 0;overflow-wrap:break-word}
table{border-collapse:collapse;width:100%}
th,td{border:1px solid var(--line);padding:.3rem .6rem;text-align:left;vertical-align:top}
thead th{position:sticky;top:0;background:var(--page)}
tbody th{font-weight:600}
tbody tr{scroll-margin-top:3rem}
tr:target th{outline:3px solid var(--link);outline-offset:-3px}
caption{text-align:left;color:var(--soft);padding:.25rem 0}
.quiet{color:var(--soft)}
.valid{background:var(--valid)}.limited{background:var(--limited)}.rejected{background:var(--rejected)}
.indeterminate{background:var(--indeterminate)}.unopened{background:var(--unopened)}
summary{cursor:pointer}
time,.whole{white-space:nowrap}
.provider{display:none;font-weight:600}
.due{border:1px solid currentColor;border-radius:4px;padding:0 .3rem;font-size:.85em;white-space:nowrap}
label.due{font-size:1em;padding:.25rem .75rem}
dl{margin:.4rem 0;min-width:11rem}
dt{font-weight:600}dd{margin:0 0 .25rem;overflow-wrap:anywhere}
@media print{.filters,.skip{display:none}thead th{position:static}}
"""

_CARDS = """
.map,.map tbody{display:block}
.map tbody{display:grid;gap:.6rem;align-items:start;grid-template-columns:repeat(auto-fill,minmax(min(22rem,100%),1fr))}
.map caption{display:block}
.map thead{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
.map tr{display:block;border:1px solid var(--line);border-radius:6px;overflow:hidden}
.map th,.map td{display:block;border:0}
.map td+td,.map th+td{border-top:1px solid var(--line)}
.map td.none{display:none}
.map .provider{display:inline}
"""


def style(providers: int) -> str:
    """Return the style sheet for a page with this number of providers."""
    hidden = [
        f"body:has(#f-{name}:checked) .map tbody tr:not(.has-{name}):not(:target){{display:none}}" for name in _FILTERED
    ]
    needed = _ACCOUNT_REM + _PROVIDER_REM * providers
    return f"{_STYLE}@media (max-width:{needed}rem){{{_CARDS}}}\n" + "\n".join(hidden)
