"""A picture that moves: frames drawn by matplotlib, a button to play them, a slider to hold one."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable, Sequence
from html import escape

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from contdepth import checks
from contdepth.studies.common.plots import new_figure

__all__ = ["moving_picture"]

Draw = Callable[[Figure, float], None]

LEVELS = ((1.0, 64, 80), (1.0, 32, 50), (0.7, 32, 50), (0.7, 16, 25))
"""Part of the drawn pixels, colours of a palette, quality of lossy coding: from fine to coarse."""

PAGE = """<div class="moving-picture" id="__ID__" style="max-width:__WIDTH__px;margin:0 auto">
<img data-role="frame" alt="__ALT__" width="__WIDTH__" height="__HEIGHT__" style="max-width:100%;height:auto"
 src="data:image/webp;base64,__STILL__">
<p data-role="controls" hidden style="align-items:center;gap:.7rem;margin:.3rem 0 0">
<button type="button" data-role="play" style="min-width:4.6rem;min-height:2rem">Play</button>
<label style="display:flex;flex:1;align-items:center;gap:.5rem;margin:0">__LABEL__
<input type="range" min="0" max="__LAST__" step="1" value="__SHOWN__" data-role="time"
 style="flex:1;min-width:4rem">
</label>
<output data-role="value" style="min-width:3.2rem;font-variant-numeric:tabular-nums"></output></p>
</div>
<script>
(function () {
  var d = __DATA__, root = document.getElementById("__ID__"), timer = null;
  function part(role) { return root.querySelector('[data-role="' + role + '"]'); }
  var time = part("time"), play = part("play"), picture = part("frame"), first = picture.src;
  var still = window.matchMedia && window.matchMedia("(prefers-reduced-motion: reduce)");
  function show() {
    var frame = d.frames[+time.value];
    picture.src = frame ? "data:image/webp;base64," + frame : first;
    part("value").textContent = d.times[+time.value];
    time.setAttribute("aria-valuetext", d.label + " = " + d.times[+time.value]);
  }
  function stop() { window.clearInterval(timer); timer = null; play.textContent = "Play"; }
  function start() {
    play.textContent = "Pause";
    timer = window.setInterval(function () {
      if (!document.body.contains(root)) { stop(); return; }
      time.value = (+time.value + 1) % d.frames.length; show();
    }, d.pause);
  }
  function calm() { if (still) { play.hidden = still.matches; if (still.matches && timer !== null) { stop(); } } }
  play.addEventListener("click", function () { if (timer === null) { start(); } else { stop(); } });
  time.addEventListener("input", function () { stop(); show(); });
  if (still && still.addEventListener) { still.addEventListener("change", calm); }
  part("controls").hidden = false; part("controls").style.display = "flex";
  calm(); show();
})();
</script>"""


def moving_picture(
    name: str,
    draw: Draw,
    times: Sequence[float],
    *,
    alt: str,
    label: str = "t",
    width: float = 5.0,
    height: float = 3.4,
    shown: int = -1,
    seconds: float = 6.0,
    limit_kb: int = 300,
) -> str:
    """Return HTML of a small film: a frame for each of ``times``, at rest until the reader plays or drags it.

    Without scripts the frame ``shown`` stays as a still picture. Readers who asked for less motion get the slider
    and no button. The frames are WebP; they are coded more coarsely until the whole takes at most ``limit_kb``.

    Args:
        name: id of the element, unique on the page.
        draw: ``draw(figure, t)`` draws the frame of time ``t`` into an empty figure in the book's style.
        times: the times of the frames, at least two, shown beside the slider.
        alt: what the film shows, for readers who do not see it.
        label: name of the time at the slider.
        width: of a frame in inches; 100 pixels each on the page, 144 drawn where they fit.
        height: of a frame in inches.
        shown: index of the frame that is seen first.
        seconds: length of one round.
        limit_kb: largest size of the HTML, in thousands of bytes.

    Raises:
        TypeError, ValueError: fewer than two times, ``shown`` is none of their indices, an argument is not
            positive, ``alt`` is empty, or the frames do not fit into ``limit_kb``.
    """
    checks.integer("number of times", len(times), at_least=2)
    checks.integer("shown", shown, at_least=-len(times), at_most=len(times) - 1)
    for key, value in {"width": width, "height": height, "seconds": seconds}.items():
        checks.real(key, value, above=0)
    if not alt.strip():
        checks.fail("alt", "a sentence that says what the film shows", alt)
    pictures = [_drawn(draw, float(t), width, height) for t in times]
    for level in LEVELS:
        frames = [_webp(picture, *level) for picture in pictures]
        text = _page(name, frames, times, alt, label, shown, seconds, (width, height))
        if len(text) <= 1000 * limit_kb:
            return text
    message = f"at most {limit_kb} kB; draw fewer frames, smaller ones, or less in each"
    return checks.fail("times and draw", message, f"{len(text) / 1000:.0f} kB")


def _page(
    name: str,
    frames: list[str],
    times: Sequence[float],
    alt: str,
    label: str,
    shown: int,
    seconds: float,
    size: tuple[float, float],
) -> str:
    """The player around ``frames``."""
    first = range(len(frames))[shown]  # the still picture, which is not written twice
    data = {
        "frames": ["" if k == first else frame for k, frame in enumerate(frames)],
        "times": [f"{float(t):.3g}" for t in times],
        "label": label,
        "pause": round(1000 * seconds / len(frames)),
    }
    values = {
        "ID": escape(name, quote=True),
        "WIDTH": round(100 * size[0]),
        "HEIGHT": round(100 * size[1]),
        "ALT": escape(alt, quote=True),
        "LABEL": escape(label),
        "LAST": len(frames) - 1,
        "SHOWN": first,
        "STILL": frames[first],
        "DATA": json.dumps(data, separators=(",", ":"), ensure_ascii=True).replace("</", "<\\/"),
    }
    text = PAGE
    for key, value in values.items():
        text = text.replace(f"__{key}__", str(value))
    return text


def _drawn(draw: Draw, t: float, width: float, height: float) -> Image.Image:
    """One frame as pixels."""
    figure = new_figure()[0]
    figure.clear()
    figure.set_size_inches(width, height)
    try:
        draw(figure, t)
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        return Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3])
    finally:
        plt.close(figure)


def _webp(picture: Image.Image, part: float, colours: int, quality: int) -> str:
    """A frame as base64 of its WebP bytes: with a palette or lossy, whichever is smaller.

    Points and lines are smaller with a palette, fields of colour lossy.
    """
    if part < 1:
        picture = picture.resize(
            (round(picture.width * part), round(picture.height * part)), Image.Resampling.LANCZOS
        )
    flat, lossy = io.BytesIO(), io.BytesIO()
    picture.quantize(colours).convert("RGB").save(flat, format="WEBP", lossless=True, quality=100, method=4)
    picture.save(lossy, format="WEBP", quality=quality, method=4)
    return base64.b64encode(min(flat.getvalue(), lossy.getvalue(), key=len)).decode()
