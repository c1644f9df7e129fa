/* One-dimensional filters q[k], k = -(N-1)/2 ... (N-1)/2, by their moments M_b = sum_k k^b q[k] / b!,
   as in contdepth.pde.moments: q * u = sum_b M_b dx^b u^(b). */
(function () {
  "use strict";
  var TOLERANCE = 1e-10;
  function points(n) { return Array.from({ length: n }, function (_, i) { return i - (n - 1) / 2; }); }
  function factorial(b) { return b < 2 ? 1 : b * factorial(b - 1); }
  function moment(q, b) {
    var k = points(q.length);
    return q.reduce(function (sum, v, i) { return sum + v * Math.pow(k[i], b); }, 0) / factorial(b);
  }
  function moments(q) { return q.map(function (_, b) { return moment(q, b); }); }

  /* the filter with the moments m: coefficients of Lagrange's basis */
  function filter(m) {
    var all = points(m.length);
    return all.map(function (k) {
      var line = [1], below = 1;
      all.forEach(function (j) {
        if (j === k) { return; }
        below *= k - j;
        line = [0].concat(line).map(function (v, i) { return v - (i < line.length ? j * line[i] : 0); });
      });
      return line.reduce(function (sum, c, b) { return sum + c * factorial(b) * m[b] / below; }, 0);
    });
  }
  /* the first b whose moment is not that of the derivative of order a; null if there is none */
  function firstWrong(q, a) {
    for (var b = 0; b <= a + q.length + 1; b++) {
      var size = moment(q.map(Math.abs).map(function (v, i) { return i < q.length / 2 && b % 2 ? -v : v; }), b);
      if (Math.abs(moment(q, b) - (a === b ? 1 : 0)) > TOLERANCE * Math.max(1, size)) { return b; }
    }
    return null;
  }
  function accuracy(q, a) { var b = firstWrong(q, a); return b === null ? Infinity : b - a; }

  /* relative error of the derivative of exp(i x) at grid step t */
  function error(q, a, t) {
    var re = 0, im = 0, k = points(q.length), s = Math.pow(t, -a);
    q.forEach(function (v, i) { re += v * Math.cos(k[i] * t); im += v * Math.sin(k[i] * t); });
    var turn = [[re, im], [im, -re], [-re, -im], [-im, re]][a % 4];       /* divided by i^a */
    return Math.hypot(turn[0] * s - 1, turn[1] * s);
  }
  globalThis.contdepthMoments = { moment: moment, moments: moments, filter: filter, accuracy: accuracy, error: error };
  if (typeof document === "undefined") { return; }

  var NAMES = ["u", "u\u2032", "u\u2033", "u\u2034"];
  function show(v) { return (Math.abs(v) < 5e-4 ? "0" : String(+v.toFixed(3))).replace("-", "\u2212"); }
  function raised(r) { return String(r).replace("-", "\u207b").replace(/\d/g, function (d) { return "\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079"[d]; }); }
  function low(b) { return "M" + String.fromCharCode(0x2080 + b); }
  function text(x, y, words, anchor, cls) {
    return '<text x="' + x + '" y="' + y + '" text-anchor="' + (anchor || "middle") + '" class="' + (cls || "quiet") + '">' + words + "</text>";
  }

  function start(root) {
    var m, a = 1;
    root.innerHTML = '<div class="row"><div class="half"><svg role="img" viewBox="0 0 260 220" data-part="bars"></svg></div>' +
      '<div class="half"><svg role="img" viewBox="0 0 260 220" data-part="plot"></svg></div></div><div class="controls choose">' +
      '<label class="tick">derivative <select data-part="a"><option value="1">u\u2032</option><option value="2">u\u2033</option>' +
      '<option value="3">u\u2034</option></select></label><label class="tick">points <select data-part="n"><option>5</option>' +
      '<option>7</option></select></label><button type="button" data-part="reset">finite difference</button></div>' +
      '<div class="controls list" data-part="sliders"></div><p class="state" aria-live="polite" data-part="state"></p>';
    function part(name) { return root.querySelector('[data-part="' + name + '"]'); }

    function bars(q) {
      var most = Math.max.apply(null, q.map(Math.abs).concat(1)), wide = 240 / q.length, out = text(130, 12, "the filter q", "middle", "strong");
      q.forEach(function (v, i) {
        var x = 10 + wide * i, tall = 72 * Math.abs(v) / most, up = v >= 0;
        out += '<rect class="' + (up ? "plus" : "minus") + '" x="' + (x + 5) + '" width="' + (wide - 10) + '" y="' + (up ? 110 - tall : 110) +
          '" height="' + tall + '"/>' + text(x + wide / 2, up ? 104 - tall : 123 + tall, show(v), "middle", q.length > 5 ? "tiny" : "") +
          text(x + wide / 2, 216, points(q.length)[i] ? show(points(q.length)[i]) : "k = 0");
      });
      return out + '<path class="axis" d="M6 110H254"/>';
    }
    function plot(q, r) {
      function X(t) { return 44 + 206 * (Math.log10(t) + 1.5) / 1.9; }
      function Y(e) { return 22 + 164 * (1 - Math.log10(e)) / 9; }
      function path(cls, f) {
        var d = "";
        for (var i = 0; i <= 60; i++) {
          var t = Math.pow(10, -1.5 + 1.9 * i / 60), e = f(t);
          if (e >= 1e-8 && e <= 10) { d += (d ? "L" : "M") + X(t).toFixed(1) + " " + Y(e).toFixed(1); }
        }
        return '<path class="' + cls + '" d="' + d + '"/>';
      }
      var out = text(130, 12, "relative error against \u0394x", "middle", "strong");
      [1, -2, -5, -8].forEach(function (p) {
        var y = Y(Math.pow(10, p));
        out += '<path class="grid" d="M44 ' + y + 'H250"/>' + text(38, y + 4, p === 1 ? "10" : "10" + raised(p), "end");
      });
      [0.05, 0.2, 1].forEach(function (t) { out += '<path class="grid" d="M' + X(t) + ' 22V186"/>' + text(X(t), 202, t); });
      return out + path("guide", function (t) { return error(q, a, 0.1) * Math.pow(t / 0.1, r) / 4; }) +
        path("curve", function (t) { return error(q, a, t); }) +
        text(130, 217, "\u0394x, for u = e\u2071\u02e3") + text(244, 178, "slope " + show(r), "end", "strong");
    }
    function draw() {
      var q = filter(m), n = m.length, wrong = firstWrong(q, a), r = accuracy(q, a), target = NAMES[a], words;
      m.forEach(function (v, b) {
        var input = part("m" + b), role = b < wrong ? (b === a ? "1" : "0") + " as needed" : b === wrong ? "first wrong" : "free";
        part("o" + b).textContent = show(v);
        part("r" + b).textContent = role;
        part("r" + b).className = "role " + role.split(" ")[0];
        input.value = v;
        input.setAttribute("aria-valuetext", show(v) + ", " + role);
      });
      if (r > 0) {
        words = "q approximates " + target + " with accuracy " + r + ": halve \u0394x and the error falls " + Math.pow(2, r) + "-fold. The first wrong moment is " +
          (wrong > 9 ? "M" + wrong : low(wrong)) + (wrong < n ? "." : ", which " + n + " points tie to the lower ones: this is the best they can do.");
      } else {
        words = "q is no approximation of " + target + ": " + low(wrong) + " should be " + (wrong === a ? 1 : 0) + ", and " +
          (r ? "the error grows as \u0394x falls." : "the error stays however small \u0394x is.");
      }
      part("bars").innerHTML = bars(q);
      part("bars").setAttribute("aria-label", "Entries of the filter: " + q.map(show).join(", "));
      part("plot").innerHTML = plot(q, r);
      part("plot").setAttribute("aria-label", "Relative error against the grid step on logarithmic axes, slope " + show(r));
      part("state").textContent = words;
    }
    function reset() {
      var n = +part("n").value;
      m = points(n).map(function (_, b) { return b === a ? 1 : 0; });
      part("sliders").innerHTML = m.map(function (_, b) {
        return '<label><span><i>M</i><sub>' + b + '</sub></span><input type="range" min="-1.5" max="1.5" step="0.05" data-part="m' + b +
          '"><output data-part="o' + b + '"></output><span class="role" data-part="r' + b + '"></span></label>';
      }).join("");
      m.forEach(function (_, b) {
        part("m" + b).addEventListener("input", function () { m[b] = +this.value; draw(); });
      });
      draw();
    }
    part("a").addEventListener("change", function () { a = +this.value; reset(); });
    part("n").addEventListener("change", reset);
    part("reset").addEventListener("click", reset);
    reset();
    m[2] = 0.5;
    draw();
  }
  document.querySelectorAll('[data-widget="filter-moments"]').forEach(start);
})();
