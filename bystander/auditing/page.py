"""What the report's page looks like: templates of `string.Template`, filled with escaped text."""

from __future__ import annotations

from typing import Final

PAGE: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Audit of $name: $verdict</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; color: #222; max-width: 1180px;
  margin: 2rem auto; padding: 0 1rem; }
h1 span { padding: .1em .5em; border-radius: .3em; color: #fff; }
h1 .good { background: #16803c; }
h1 .bad { background: #b02030; }
h2 { margin-top: 2.2rem; }
.pictures { display: grid; grid-template-columns: repeat(auto-fill, minmax(340px, 1fr));
  gap: 1.2rem; }
figure { margin: 0; border-top: 4px solid #999; }
figure.bad { border-color: #b02030; }
figure img { width: 100%; display: block; }
figcaption strong { display: block; }
figcaption em { color: #555; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
td, th { text-align: left; vertical-align: top; padding: .35rem .6rem;
  border-bottom: 1px solid #ddd; }
tr.bad td:nth-child(2) { color: #b02030; font-weight: 600; }
code, .sums li { font: .8rem ui-monospace, monospace; overflow-wrap: anywhere; }
</style></head><body>
<h1>$name <span class="$colour">$verdict</span></h1>
<p>$summary</p>
<p>$frames frames, $seconds seconds, were decoded and compared with the source.</p>
<h2>Who may be seen, and why</h2><ul>$kept</ul>
<h2>The riskiest seconds</h2>
<p>Pictures of the masked video, the worst first; the box shows where to look. Small ones are
shown enlarged. Times are minutes and seconds, as a player shows them.</p>
<div class="pictures">$pictures</div>
<h2>Everything found</h2>
<table><tr><th>When</th><th>What</th><th>In words</th><th>Worst</th><th>What to do</th></tr>
$rows</table>
<h2>What was left out of the file</h2>
<p>The source carries this beside picture and sound, the masked video doesn't:</p>
<ul>$stripped</ul>
<h2>What was looked at</h2>
<p>The checksums tell whether a file is the one that was looked at.</p>
<ul class="sums"><li>source $source, SHA-256 $source_sum</li>
<li>output $name, SHA-256 $output_sum</li></ul>
<p>Networks that looked:</p><ul class="sums">$networks</ul>
</body></html>
"""

PICTURE: Final = """<figure class="$colour"><img alt="$title" src="data:image/jpeg;base64,$data">
<figcaption><strong>$title</strong>$detail <em>$advice</em></figcaption></figure>
"""
