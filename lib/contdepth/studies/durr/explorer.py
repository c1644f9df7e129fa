"""A small picture to drag: noise level and number of steps, with the curve and the restored detail beside them."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Mapping, Sequence
from html import escape

import numpy as np
from PIL import Image
from torch import Tensor

from contdepth import checks

__all__ = ["explorer"]

PAGE = """<div class="durr-explorer" id="__ID__" style="max-width:36rem;margin:0 auto">
<p><label>noise level σ <input type="range" min="0" max="__LEVELS__" step="1" value="__LEVEL__" data-role="level"
 style="width:55%;vertical-align:middle" aria-valuetext=""></label> <output data-role="sigma"></output><br>
<label>steps n <input type="range" min="0" max="__STEPS__" step="1" value="0" data-role="step"
 style="width:55%;vertical-align:middle" aria-valuetext=""></label> <output data-role="n"></output></p>
<div style="display:flex;flex-wrap:wrap;gap:1rem;align-items:center">
<img data-role="crop" alt="__ALT__" width="176" height="176" style="image-rendering:pixelated;background:none">
<svg data-role="plot" viewBox="0 0 300 190" role="img" aria-label="__PLOT__"
 style="flex:1 1 15rem;min-width:0;font-size:11px" fill="currentColor"></svg></div>
<noscript>The curves at all levels are in the figure beside this one.</noscript>
</div>
<script>
(function () {
  var d = __DATA__, root = document.getElementById("__ID__");
  function part(role) { return root.querySelector('[data-role="' + role + '"]'); }
  var level = part("level"), step = part("step"), touched = false;
  var low = Infinity, high = -Infinity, names = Object.keys(d.curves);
  names.forEach(function (k) { d.curves[k].forEach(function (c) { c.forEach(function (v) {
    if (v > high) { high = v; } if (v < low) { low = v; } }); }); });
  low = Math.floor(low / 5) * 5; high = Math.ceil(high);
  function x(n) { return 34 + 256 * n / d.steps; }
  function y(v) { return 160 - 148 * (v - low) / (high - low); }
  function best(c) { return c.indexOf(Math.max.apply(null, c)); }
  function draw() {
    var l = +level.value, sigma = d.levels[l], text = "";
    if (!touched) { step.value = best(d.curves[names[0]][l]); }
    var n = +step.value, value = d.curves[names[0]][l][n].toFixed(2);
    part("sigma").textContent = sigma; part("n").textContent = n + " (" + value + " dB)";
    level.setAttribute("aria-valuetext", "sigma " + sigma);
    step.setAttribute("aria-valuetext", n + " steps, " + value + " decibels");
    part("crop").src = "data:image/webp;base64," + d.crops[l][n];
    for (var v = low; v <= high; v += 5) {
      text += '<text x="28" y="' + (y(v) + 4) + '" text-anchor="end">' + v + '</text><path d="M34 ' + y(v) +
        'H290" stroke="currentColor" stroke-opacity="0.2"/>'; }
    for (var i = 0; i <= d.steps; i += 2) {
      text += '<text x="' + x(i) + '" y="175" text-anchor="middle">' + i + "</text>"; }
    text += '<text x="162" y="188" text-anchor="middle">steps n</text><text x="4" y="10">PSNR (dB)</text>';
    names.forEach(function (k, i) {
      var c = d.curves[k][l], dash = i ? ' stroke-dasharray="5 3"' : "", b = best(c);
      text += '<polyline fill="none" stroke="' + d.colours[i] + '" stroke-width="2"' + dash + ' points="' +
        c.map(function (v, n) { return x(n) + "," + y(v); }).join(" ") + '"/><circle cx="' + x(b) + '" cy="' +
        y(c[b]) + '" r="4" fill="' + d.colours[i] + '"/><text x="290" y="' + (y(c[d.steps]) + (i ? 14 : -6)) +
        '" text-anchor="end" stroke="none">' + k + "</text>"; });
    text += '<path d="M' + x(n) + ' 12V160" stroke="currentColor" stroke-dasharray="2 3"/>';
    part("plot").innerHTML = text;
  }
  level.addEventListener("input", draw);
  step.addEventListener("input", function () { touched = true; draw(); });
  draw();
})();
</script>"""


def explorer(
    name: str,
    curves: Mapping[str, Tensor],
    crops: Tensor,
    levels: Sequence[float],
    *,
    colours: Sequence[str],
    alt: str,
    plot: str,
) -> str:
    """HTML with two sliders that shows PSNR curves and a restored detail; one script, no other host.

    ``curves``: label → PSNR in dB ``(levels, steps + 1)``, the first label is the one whose detail is shown;
    ``crops``: that detail, ``(levels, steps + 1, h, w)`` in [0, 1] (clipped here); ``levels``: noise levels.
    The step follows the best one until the reader moves it. ``name``: unique on the page; ``alt`` and ``plot``:
    what picture and curve show, for readers who do not see them.

    Raises:
        ValueError: shapes that do not fit.
    """
    count, steps = len(levels), crops.shape[1] - 1
    for label, curve in curves.items():
        checks.same_shape(f"curves[{label!r}]", curve, (count, steps + 1))
    checks.same_shape("crops", crops, (count, steps + 1, *crops.shape[2:]))
    data = {
        "levels": [float(f"{level:g}") for level in levels],
        "steps": steps,
        "curves": {label: [[round(v, 2) for v in row] for row in c.tolist()] for label, c in curves.items()},
        "colours": list(colours),
        "crops": [[webp(crop) for crop in row] for row in crops],
    }
    values = {
        "ID": escape(name, quote=True),
        "LEVELS": count - 1,
        "LEVEL": count // 2,
        "STEPS": steps,
        "ALT": escape(alt, quote=True),
        "PLOT": escape(plot, quote=True),
        "DATA": json.dumps(data, separators=(",", ":"), ensure_ascii=True).replace("</", "<\\/"),
    }
    text = PAGE
    for key, value in values.items():
        text = text.replace(f"__{key}__", str(value))
    return text


def webp(crop: Tensor) -> str:
    """A small picture as base64 of its WebP bytes."""
    stream = io.BytesIO()
    pixels = np.round(crop.clamp(0, 1).numpy() * 255).astype(np.uint8)
    Image.fromarray(pixels).save(stream, format="WEBP", quality=70)
    return base64.b64encode(stream.getvalue()).decode()
