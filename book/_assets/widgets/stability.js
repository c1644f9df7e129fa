/* Where the two-step block u[n+1] = (1-k) u[n] + k u[n-1] + c h f(u[n]) is stable; c = 1, or 1 + k if rescaled.
   r^2 - (1-k+cz) r - k = 0, as in contdepth.schemes.two_step_roots. */
(function () {
  "use strict";
  function factor(k, rescale) { return rescale ? 1 + k : 1; }
  /* the two roots as [re, im] */
  function roots(k, zr, zi, rescale) {
    var c = factor(k, rescale), a = (1 - k + c * zr) / 2, b = c * zi / 2;
    var p = a * a - b * b + k, q = 2 * a * b, m = Math.hypot(p, q);
    var s = Math.sqrt((m + Math.abs(p)) / 2), t = s ? Math.abs(q) / (2 * s) : 0;
    var re = p >= 0 ? s : t, im = (p >= 0 ? t : s) * (q < 0 ? -1 : 1);
    return [[a + re, b + im], [a - re, b - im]];
  }
  function size(r) { return Math.hypot(r[0], r[1]); }
  function rootModulus(k, zr, zi, rescale) { return Math.max.apply(null, roots(k, zr, zi, rescale).map(size)); }

  /* the real limit, where a root is -1; null: no step is stable */
  function limit(k, rescale) { return k > -1 && k < 1 ? 2 * (1 - k) / factor(k, rescale) : null; }

  /* the z with the root exp(i t) */
  function border(k, t, rescale) {
    var c = factor(k, rescale);
    return [(1 - k) * (Math.cos(t) - 1) / c, (1 + k) * Math.sin(t) / c];
  }

  globalThis.contdepthStability = { roots: roots, rootModulus: rootModulus, limit: limit, border: border };
  var root = typeof document === "undefined" ? null : document.querySelector("[data-widget=stability]");
  if (!root) { return; }

  var UNIT = 62, LEFT = -4.4, RIGHT = 1.2, TOP = 2.3, STEP = 0.05, TINY = 1e-9;
  function X(x) { return 6 + UNIT * (x - LEFT); }
  function Y(y) { return 2 + UNIT * (TOP - y); }
  function show(v) { return v.toFixed(2).replace("-", "\u2212"); }
  function complex(z) { return show(z[0]) + (z[1] < 0 ? " \u2212 " : " + ") + show(Math.abs(z[1])) + "i"; }
  function path(cls, d) { return '<path class="' + cls + '" d="' + d + '"/>'; }
  function curve(k, rescale, cls) {
    for (var d = [], i = 0; i < 120; i++) {
      var z = border(k, Math.PI * i / 60, rescale);
      d.push(X(z[0]).toFixed(1) + " " + Y(z[1]).toFixed(1));
    }
    return path(cls, "M" + d.join("L") + "Z");
  }
  function text(x, y, words, anchor, cls) {
    return "<text x=" + x + " y=" + y + " text-anchor=" + (anchor || "middle") + " class=" + (cls || "quiet") + ">" + words + "</text>";
  }

  function slider(name, words, low, high) {
    return "<label><span>" + words + "</span><input type=range data-part=" + name + " min=" + low + " max=" + high + " step=.05><output data-part=" +
      name + "-out></output></label>";
  }
  root.innerHTML = '<div class=row><div class=plane><svg role=img viewBox="0 0 360 290" data-part=map></svg><div class=handle data-part=point ' +
    'role=slider tabindex=0 aria-label="Point h\u03bb: arrow keys move it" aria-valuemin=-4.4 aria-valuemax=1.2></div></div><div class=side>' +
    '<svg role=img viewBox="0 0 200 222" data-part=roots></svg></div></div><div class=controls>' + slider("k", "<i>k</i>", -1.5, 1.5) +
    slider("re", "Re <i>h\u03bb</i>", LEFT, RIGHT) + slider("im", "Im <i>h\u03bb</i>", -TOP, TOP) + '<label><input type=checkbox data-part=scale>' +
    "<span>multiply <i>f</i> by 1 + <i>k</i></span></label></div><p class=state aria-live=polite data-part=state></p>";
  function part(name) { return root.querySelector("[data-part=" + name + "]"); }
  function label(name, what, words) { part(name).setAttribute("aria-" + what, words); }
  var k = -0.5, z = [-2.4, 0.3], rescale = false, held = false, point = part("point");

  function map() {
    var out = "", i, end = limit(k, rescale), o = Y(0);
    for (i = -4; i < 2; i++) { out += path("grid", "M" + X(i) + " 2V287") + (i ? text(X(i), o + 14, show(i).slice(0, -3)) : ""); }
    for (i = -2; i < 3; i++) { out += path("grid", "M6 " + Y(i) + "H356") + (i ? text(X(0) + 5, Y(i) + 13, show(i).slice(0, -3) + "i", "start") : ""); }
    out += path("axis", "M6 " + o + "H356M" + X(0) + " 2V288");
    if (end && rootModulus(k, -end / 2, 0, rescale) < 1) { out += curve(k, rescale, "inside"); }
    out += curve(0, false, "euler");
    if (k >= -1 && k <= 1 && factor(k, rescale)) { out += curve(k, rescale, "border"); }
    if (end) {
      var at = X(-end), far = at < 30;
      out += path("limit", "M" + at + " " + (o - 10) + "v10H" + X(0)) +
        text(far ? 8 : at, o + 31, (at < 0 ? "\u2190 " : "") + show(-end), far ? "start" : "middle", "strong");
    }
    return out + text(350, o - 8, "Re h\u03bb", "end") + text(X(0) + 5, 14, "Im h\u03bb", "start") +
      path("euler", "M14 14h22") + text(42, 18, "forward Euler, k = 0", "start");
  }
  function disc(found) {
    var out = path("axis", "M4 112H196M100 16V208") + "<circle class=unit cx=100 cy=112 r=42 />" +
      text(100, 12, "the two roots", "middle", "strong") + text(150, 106, "1");
    found.forEach(function (r) {
      var m = size(r), far = m > 2.1 ? 2.1 / m : 1, x = 100 + 42 * r[0] * far, y = 112 - 42 * r[1] * far;
      out += m <= 1 + TINY ? "<circle class=root cx=" + x + " cy=" + y + " r=6 />" :
        path("root", "M" + (x - 6) + " " + (y - 6) + "l12 12m0 -12l-12 12");
    });
    return out + text(100, 220, "\u25cf in the unit disc \u00a0 \u00d7 outside");
  }
  function sentence(m, good) {
    return "k = " + show(k) + ": " + (
      Math.abs(k) > 1 ? "nothing is stable: the product of the roots, \u2212k, exceeds 1 in size" :
      k === -1 ? "both roots are 1 at h\u03bb = 0, so even f = 0 grows; nothing is damped" :
      k === 1 ? "only a piece of the imaginary axis is left, undamped" :
      "real h\u03bb are stable down to " + show(-limit(k, rescale)) + " (forward Euler: \u22122.00)") +
      ". At h\u03bb = " + complex(z) + " the roots have modulus " + show(m[0]) + " and " + show(m[1]) + ": " + good + ".";
  }
  function draw() {
    var found = roots(k, z[0], z[1], rescale), m = found.map(size);
    var twice = size([found[0][0] - found[1][0], found[0][1] - found[1][1]]) < TINY;
    var good = Math.max(m[0], m[1]) > 1 + TINY || twice && m[0] > 1 - TINY ? "unstable" : "stable", words = sentence(m, good);
    part("map").innerHTML = map();
    part("roots").innerHTML = disc(found);
    label("map", "label", "Region of stability. " + words);
    label("roots", "label", "Roots " + complex(found[0]) + " and " + complex(found[1]) );
    label("point", "valuenow", z[0]);
    label("point", "valuetext", complex(z) + ", " + good);
    point.style.left = 100 * X(z[0]) / 360 + "%";
    point.style.top = 100 * Y(z[1]) / 290 + "%";
    point.className = "handle " + good;
    [["k", k], ["re", z[0]], ["im", z[1]]].forEach(function (one) {
      part(one[0]).value = one[1];
      part(one[0] + "-out").textContent = show(one[1]);
      label(one[0], "valuetext", show(one[1]));
    });
    part("state").textContent = words;
  }
  function move(x, y) {
    z = [Math.min(RIGHT, Math.max(LEFT, x)), Math.min(TOP, Math.max(-TOP, y))].map(function (v) {
      return Math.round(v / STEP) * STEP + 0; });
    draw();
  }
  function follow(event) {
    var box = part("map").getBoundingClientRect();
    var one = 360 / box.width;
    move(LEFT + ((event.clientX - box.left) * one - 6) / UNIT, TOP - ((event.clientY - box.top) * one - 2) / UNIT);
  }
  function on(name, events, act) { events.split(" ").forEach(function (e) { part(name).addEventListener(e, act); }); }
  on("point", "pointerdown", function (event) { held = true; point.setPointerCapture(event.pointerId); });
  on("point", "pointermove", function (event) { if (held) { follow(event); } });
  on("point", "pointerup pointercancel", function () { held = false; });
  on("map", "click", follow);
  on("point", "keydown", function (event) {
    var way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    if (!way) { return; }
    event.preventDefault();
    event.stopPropagation();
    move(z[0] + STEP * way[0], z[1] + STEP * way[1]);
  });
  on("k", "input", function () { k = +this.value; draw(); });
  on("re", "input", function () { move(+this.value, z[1]); });
  on("im", "input", function () { move(z[0], +this.value); });
  on("scale", "change", function () { rescale = this.checked; draw(); });
  draw();
})();
