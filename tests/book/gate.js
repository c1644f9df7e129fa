// What the gate asks of a page that is open in the browser; tests/book/test_browser.py calls it, after axe.min.js.
(() => {
  const grave = ["serious", "critical"];

  // Colours and the look of links: these depend on the theme.
  const paint = ["color-contrast", "link-in-text-block"];

  // Every other rule that can give a serious or critical finding.
  const rest = axe._audit.rules
    .filter(rule => rule.enabled !== false && grave.includes(rule.impact) && !paint.includes(rule.id)
      && !rule.tags.some(tag => ["experimental", "deprecated", "wcag2aaa", "wcag22aaa", "obsolete"].some(t => tag.includes(t))))
    .map(rule => rule.id);

  // Contrast is asked of the elements that painted() chose, not of all that stand in them.
  const chosen = "data-gate-way";
  axe.configure({rules: [{id: paint[0], selector: `[${chosen}]`}, {id: paint[1], selector: `a[href][${chosen}]`}]});

  // What MathJax draws is hidden from assistive technology, which reads the MathML beside it; half of the elements of
  // a page with formulas are such strokes. Where nothing in a drawing could be found at fault, axe need not go in.
  function skipDrawings() {
    for (const svg of document.querySelectorAll('mjx-container > svg[aria-hidden="true"]'))
      if (!Object.hasOwn(svg, "childNodes") && !svg.querySelector(":is(a, text, title, foreignObject, [role], [tabindex], [lang], [style])"))
        Object.defineProperty(svg, "childNodes", {get: () => []});
  }

  async function run(context, rules) {
    skipDrawings();
    const found = await axe.run(context, {
      runOnly: {type: "rule", values: rules}, resultTypes: ["violations"], preload: false,
    });
    return found.violations.filter(v => grave.includes(v.impact)).map(v => ({
      rule: v.id, impact: v.impact, help: v.help, count: v.nodes.length,
      nodes: v.nodes.slice(0, 3).map(n => [n.target.join(" "), (n.failureSummary || "").split("\n").slice(1, 3).join(" ").trim()]),
    }));
  }

  // The first and the last element for each way in which text is painted. Contrast follows from colour, size, weight
  // and what lies behind; a table of four hundred rows has a dozen such ways, and axe needs 15 ms for each element. For
  // the same reason a way that axe has passed once, at another width or on another page, is not asked about again.
  function painted() {
    const behind = new Map(), ways = new Map();
    const ground = element => {
      if (!element) return "";
      if (behind.has(element)) return behind.get(element);
      const s = getComputedStyle(element);
      const own = [s.backgroundColor, s.backgroundImage, s.opacity, s.filter, s.mixBlendMode, s.position]
        .join(" ").replace(/^rgba\(0, 0, 0, 0\) none 1 none normal (static|relative)$/, "");
      const key = own ? ground(element.parentElement) + "/" + own : ground(element.parentElement);
      behind.set(element, key);
      return key;
    };
    for (const element of document.body.querySelectorAll("*:not(script, style, svg *, mjx-container *)")) {
      const worded = [...element.childNodes].some(n => n.nodeType === 3 && n.data.trim()) || element.matches("input, select, textarea");
      if (!worded || !element.checkVisibility({opacityProperty: true, visibilityProperty: true})) continue;
      const s = getComputedStyle(element), around = getComputedStyle(element.parentElement);
      const link = element.matches("a[href]") ? [s.textDecorationLine, s.borderBottomWidth, s.display, around.color, around.display] : [];
      const key = [s.color, s.fontSize, s.fontWeight, s.textShadow, s.webkitTextStroke, element.matches(":disabled"),
        ...link, ground(element)].join("|");
      ways.set(key, [(ways.get(key) || [element])[0], element]);
    }
    return ways;
  }

  async function colours(known) {
    const passed = new Set(known), ways = [...painted()].filter(([key]) => !passed.has(key));
    const elements = ways.flatMap(([, ends]) => ends);
    elements.forEach(element => element.setAttribute(chosen, ""));
    const faults = ways.length ? await run(document, paint) : [];
    elements.forEach(element => element.removeAttribute(chosen));
    return {faults, fresh: faults.length ? [] : ways.map(([key]) => key)};
  }

  // Elements that reach beyond the right edge and are not cut off by what they stand in.
  function wide() {
    const root = document.documentElement;
    if (root.scrollWidth <= root.clientWidth) return [];
    const name = e => e.tagName.toLowerCase() + (e.id ? "#" + e.id : "") + [...e.classList].slice(0, 3).map(c => "." + c).join("");
    const out = [...document.body.querySelectorAll("*")].filter(e => e.getBoundingClientRect().right > root.clientWidth + 1);
    return [`${root.scrollWidth} px in ${root.clientWidth}`, ...out.slice(0, 4).map(name)];
  }

  // What unfolding brought to light, in the fold or elsewhere: a line of a table may open to another line.
  let before = new Set();
  const rendered = () => [...document.body.querySelectorAll("*:not(script, style, svg *, mjx-container *)")]
    .filter(e => e.checkVisibility({visibilityProperty: true}));

  async function unfolded() {
    await new Promise(done => setTimeout(done, 0));     // scripts of the page may act on the opening
    const fresh = new Set(rendered().filter(e => !before.has(e)));
    const places = [...fresh].filter(e => !fresh.has(e.parentElement)).map(e => e.closest("details[data-unfolded]") || e);
    return places.length ? run({include: [...new Set(places)]}, rest) : [];
  }

  window.gate = {
    rest, paint, wide, unfolded,
    theme: name => { document.documentElement.dataset.mode = name; document.documentElement.dataset.theme = name; },
    structure: () => run(document, rest),
    colours,
    // At most sixty, evenly spread: the four hundred rows of one table come from one template.
    unfold: open => {
      const all = [...document.querySelectorAll(open ? "details:not([open])" : "details[data-unfolded]")];
      const step = open ? Math.ceil(all.length / 60) : 1;
      if (open) before = new Set(rendered());
      for (const d of all.filter((_, i) => i % step === 0)) { d.open = open; d.toggleAttribute("data-unfolded", open); }
    },
    mathematics: async () => {
      if (window.MathJax && MathJax.startup) await MathJax.startup.promise;
      const faults = [...document.querySelectorAll('mjx-merror, [data-mml-node="merror"]')]
        .map(e => "MathJax cannot read: " + (e.getAttribute("title") || e.textContent).slice(0, 120));
      const raw = [...document.querySelectorAll(".math")].filter(e => !e.querySelector("mjx-container"));
      return faults.concat(raw.map(e => "mathematics not typeset: " + e.textContent.trim().slice(0, 80)));
    },
  };
})();
