"""The looks of the page of ``--html``, light and dark. Contrasts are at least 4.5 to 1 (WCAG 2.2, 1.4.3)."""

from __future__ import annotations

_FILTERED = ("valid", "limited", "rejected", "indeterminate", "unopened", "due")

STYLE = """
:root{--page:#fff;--ink:#1b1f24;--soft:#57606a;--line:#d0d7de;--link:#0550ae;
--valid:#dafbe1;--limited:#fff1c2;--rejected:#ffd7d5;--indeterminate:#dbe9fb;--unopened:#e9dcf9}
@media (prefers-color-scheme:dark){:root{--page:#0d1117;--ink:#e6edf3;--soft:#9aa4af;--line:#3d444d;--link:#6cb6ff;
--valid:#12361f;--limited:#43340a;--rejected:#571b1b;--indeterminate:#123054;--unopened:#36215c}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:90rem;padding:1rem 1.5rem;background:var(--page);color:var(--ink);
font:1rem/1.5 system-ui,sans-serif}
h1{font-size:1.5rem;margin:.5rem 0}h2{font-size:1.15rem;margin:1.5rem 0 .5rem}
a{color:var(--link)}
.skip{position:absolute;left:-99rem}.skip:focus{left:1rem;background:var(--page);padding:.5rem}
:focus-visible{outline:3px solid var(--link);outline-offset:2px}
.error{border-left:4px solid var(--link);padding-left:.75rem}
.filters{border:1px solid var(--line);border-radius:6px;display:flex;flex-wrap:wrap;gap:.5rem;padding:.5rem .75rem}
.filters label{border:1px solid var(--line);border-radius:6px;padding:.25rem .75rem;cursor:pointer}
.filters input{margin:0 .5rem 0 0}
.filters label:has(:checked){outline:2px solid var(--ink)}
table{border-collapse:collapse;width:100%}
th,td{border:1px solid var(--line);padding:.25rem .6rem;text-align:left;vertical-align:top;overflow-wrap:anywhere}
thead th{position:sticky;top:0;background:var(--page)}
tbody th{font-weight:600}
caption{text-align:left;color:var(--soft);padding:.25rem 0}
.quiet{color:var(--soft)}
.valid{background:var(--valid)}.limited{background:var(--limited)}.rejected{background:var(--rejected)}
.indeterminate{background:var(--indeterminate)}.unopened{background:var(--unopened)}
summary{cursor:pointer}
.due{border:1px solid currentColor;border-radius:4px;padding:0 .3rem;font-size:.85em}
label.due{font-size:1em;padding:.25rem .75rem}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.1rem .75rem;margin:.4rem 0}
dt{font-weight:600}dd{margin:0}
@media print{.filters,.skip{display:none}thead th{position:static}}
""" + "\n".join(f"body:has(#f-{name}:checked) .map tbody tr:not(.has-{name}){{display:none}}" for name in _FILTERED)
