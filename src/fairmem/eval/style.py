"""The style sheet of HTML reports."""

from __future__ import annotations

CSS = """
:root{--page:#f6f7f9;--card:#fff;--ink:#1c2330;--soft:#5d6776;--line:#dfe3e9;--before:#8a94a4;--after:#2f6fde;
--gold:#8a6410}
@media(prefers-color-scheme:dark){:root{--page:#12151b;--card:#1b2029;--ink:#e7eaf0;--soft:#9ba5b4;--line:#303845;
--before:#8590a1;--after:#6ea3ff;--gold:#e0b95c}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:16px/1.5 system-ui,-apple-system,"Segoe UI",sans-serif}
main{max-width:60rem;margin:0 auto;padding:1.5rem 1rem 4rem}
h1{font-size:1.6rem;line-height:1.25;margin:0 0 .5rem;overflow-wrap:anywhere}
h2{font-size:1.1rem;margin:0 0 .75rem}
h3{font-size:1rem;margin:.1rem 0 .5rem;overflow-wrap:anywhere}
header p{margin:.25rem 0;overflow-wrap:anywhere}
header p:first-of-type{font-size:1.1rem;font-weight:600}
section{background:var(--card);border:1px solid var(--line);border-radius:.75rem;padding:1.1rem;margin:1rem 0}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(9.5rem,1fr));gap:1rem}
.tile span,.tile small,.note,figcaption,article>small,dd small{color:var(--soft);font-size:.85rem}
.tile span,.tile b,.tile small{display:block}
.tile b{font-size:1.35rem;line-height:1.3;font-variant-numeric:tabular-nums}
.note,figcaption{margin:.75rem 0 0}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums;font-size:.92rem}
th,td{padding:.4rem .6rem;border-bottom:1px solid var(--line);text-align:right;white-space:nowrap}
th:first-child{text-align:left;padding-left:0}
.prose th,.prose td{text-align:left;white-space:normal}
.prose td{overflow-wrap:anywhere;min-width:6.5rem}
thead th{color:var(--soft);font-weight:500}
tbody th{font-weight:500}
tbody tr:last-child>*{border-bottom:0}
.scale{min-width:9rem}
.scale i{font-style:normal;float:left}
.scale i+i{float:right}
.drawn{min-width:9rem}
.line{display:block;position:relative;height:.65rem;background:linear-gradient(var(--line),var(--line)) 0 50%/100% 1px
no-repeat}
.line i,.line b{position:absolute;border-radius:1rem}
.line i{top:.2rem;height:.25rem;opacity:.45}
.line b{top:.02rem;width:.6rem;height:.6rem;margin-left:-.3rem}
.before i,.before b{background:var(--before)}
.after i,.after b{background:var(--after)}
figure{margin:0;overflow-x:auto}
figure svg{width:100%;min-width:30rem;height:auto;display:block;color:var(--ink)}
summary{cursor:pointer;font-weight:600}
article{border-top:1px solid var(--line);padding:.8rem 0 .4rem}
dl{display:grid;grid-template-columns:5rem 1fr;gap:.15rem .75rem;margin:0}
dt{color:var(--soft)}
dd{margin:0;overflow-wrap:anywhere}
.gold{color:var(--gold)}
"""
