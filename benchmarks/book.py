"""The built book, measured: build time, heaviest pages, time until the largest page is interactive.

``python benchmarks/book.py --out book.json`` (under three minutes on two cores). The book is built strictly from
the stored runs into a temporary folder (``--html`` takes a built one and times no build). Weights are those of the
check in the tests: what a browser loads, the mathematics script not counted. Times in the browser are medians
over fresh windows without a cache, from a server on this machine: when the page is interactive (domInteractive),
loaded, and all mathematics set, in milliseconds; for a page with a search field in its text also from an input to
the next frame painted.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from companion.errors import CompanionError
from companion.site.browser import chromium, served
from companion.site.building import build_strictly
from companion.site.checks import Site, weight

ROOT = Path(__file__).resolve().parents[1]
EXPLORER = "book/claims.html"
TIMES = """async () => {
  if (window.MathJax && MathJax.startup) await MathJax.startup.promise;
  const [seen] = performance.getEntriesByType("navigation");
  return {interactive: seen.domInteractive, loaded: seen.loadEventEnd, mathematics: performance.now()};
}"""
FILTER = """() => new Promise(done => {
  const field = document.querySelector("main input[type=search]:not([hidden])");
  if (!field) return done(null);
  const start = performance.now();
  field.value = "order";
  field.dispatchEvent(new Event("input", {bubbles: true}));
  requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now() - start)));
})"""


def opened(browser: Any, address: str, repeats: int) -> dict[str, float]:
    """Return the median times, in milliseconds, of a page opened in fresh windows."""
    seen: list[dict[str, float]] = []
    for _ in range(repeats):
        context = browser.new_context(viewport={"width": 1300, "height": 900})
        page = context.new_page()
        page.goto(address, wait_until="load")
        found = page.evaluate(TIMES)
        filtered = page.evaluate(FILTER)
        seen.append({**found, **({} if filtered is None else {"filter": filtered})})
        context.close()
    return {name: round(statistics.median(one[name] for one in seen)) for name in seen[0]}


def main() -> None:
    """Parse the command line, measure, print, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, help="write the numbers here as JSON")
    parser.add_argument("--html", type=Path, help="a built book: no build is timed")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    result: dict[str, Any] = {"build_s": None, "pages": {}, "opened_ms": {}}
    with tempfile.TemporaryDirectory() as out:
        html = options.html
        if html is None:
            start = time.monotonic()
            html = build_strictly(ROOT, Path(out))
            result["build_s"] = round(time.monotonic() - start, 1)
            print(f"strict build from the stored runs: {result['build_s']} s")
        site = Site(html)
        heavy = sorted(((weight(site, page), page.name) for page in site.written), reverse=True)
        result["pages"] = {name: size for size, name in heavy}
        print("heaviest pages, MB: " + ", ".join(f"{name} {size / 1e6:.2f}" for size, name in heavy[:5]))
        largest = max((page.name for page in site.written), key=lambda name: (site.folder / name).stat().st_size)
        try:
            with chromium() as browser, served(site.folder) as host:
                for name in dict.fromkeys([largest, heavy[0][1], *([EXPLORER] if EXPLORER in site.pages else [])]):
                    result["opened_ms"][name] = found = opened(browser, f"{host}/{name}", options.repeats)
                    print(f"{name}, ms: " + ", ".join(f"{what} {value}" for what, value in found.items()))
        except CompanionError as error:
            print(f"no times in a browser: {error}")
    if options.out:
        options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
