/* The filters of the claims explorer. The table is complete without this script; it hides and shows rows,
   shows verdict and figure at the profile chosen, opens the row that the address names, and keeps the
   choice in the address. */
(function () {
  "use strict";
  var table = document.querySelector("table.explorer");
  var form = document.querySelector(".explorer-filters");
  if (!table || !form) { return; }
  var status = form.querySelector("[role=status]");
  var boxes = Array.prototype.slice.call(form.querySelectorAll("[name=verdict]"));
  var small = form.elements.small;
  var fields = ["q", "group", "chapter", "profile", "kind"];
  var shownProfile = "", waiting = 0;

  /* what stands in small letters beside a verdict */
  function beside(place) {
    var found = place.querySelector("small");
    return found ? found.textContent : "";
  }

  var rows = Array.prototype.map.call(table.tBodies, function (body) {
    var cells = body.rows[0].cells, lines = {}, smalls = { "": "small" in body.dataset }, verdicts = { "": cells[2].firstElementChild.className };
    body.querySelectorAll("dd[data-p]").forEach(function (line) {
      lines[line.dataset.p] = line;
      smalls[line.dataset.p] = "small" in line.dataset;
      verdicts[line.dataset.p] = line.firstElementChild.className;
    });
    return { body: body, chapter: body.dataset.chapter, kind: body.dataset.kind, group: body.dataset.group,
             verdicts: verdicts, smalls: smalls, lines: lines, cell: cells[2],
             text: body.textContent.toLowerCase(), details: cells[0].firstElementChild,
             badge: cells[2].firstElementChild, ours: cells[3].firstElementChild,
             headline: [cells[2].firstElementChild.textContent, cells[3].firstElementChild.textContent,
                        beside(cells[2])] };
  });

  function choice() {
    var found = { verdict: boxes.filter(function (box) { return box.checked; }).map(function (box) { return box.value; }) };
    fields.forEach(function (name) { found[name] = form.elements[name].value.trim(); });
    found.small = small.checked ? small.value : "";
    return found;
  }

  /* verdict and figure of a row at a profile; the headline's where none is chosen */
  function show(row, profile) {
    var line = row.lines[profile], figure = line && line.querySelector("b + span, b + small + span");
    row.badge.className = row.verdicts[line ? profile : ""];
    row.badge.textContent = line ? line.firstElementChild.textContent : row.headline[0];
    var words = line ? beside(line) : row.headline[2], said = row.cell.querySelector("small");
    if (words && !said) { said = row.cell.appendChild(document.createElement("small")); }
    if (said) { said.textContent = words; }
    row.ours.textContent = !line ? row.headline[1] : figure ? figure.textContent : "–";
  }

  function apply() {
    var wanted = choice(), counts = {}, number = 0;
    var words = wanted.q.toLowerCase().split(/\s+/);
    rows.forEach(function (row) {
      var verdict = row.verdicts[wanted.profile];
      var fits = verdict && (!wanted.chapter || row.chapter === wanted.chapter) &&
        (!wanted.kind || row.kind === wanted.kind) && (!wanted.group || row.group === wanted.group) &&
        (!wanted.small || row.smalls[wanted.profile]) &&
        words.every(function (word) { return row.text.indexOf(word) >= 0; });
      if (fits) { counts[verdict] = (counts[verdict] || 0) + 1; }
      fits = fits && (!wanted.verdict.length || wanted.verdict.indexOf(verdict) >= 0);
      number += fits ? 1 : 0;
      if (row.body.hidden === !!fits) { row.body.hidden = !fits; }
      if (wanted.profile !== shownProfile) { show(row, wanted.profile); }
    });
    shownProfile = wanted.profile;
    boxes.forEach(function (box) { box.parentNode.querySelector("output").textContent = counts[box.value] || 0; });
    status.textContent = number ? number + " of " + rows.length + " claims"
                                : "No claim fits these filters; Reset shows all " + rows.length + ".";
    table.hidden = !number;
    return wanted;
  }

  /* ---- the address ------------------------------------------------------------------------- */
  function write(wanted) {
    var query = [];
    fields.concat("small", "verdict").forEach(function (name) {
      var value = name === "verdict" ? wanted.verdict.join(",") : wanted[name];
      if (value) { query.push(name + "=" + encodeURIComponent(value).replace(/%2C/g, ",")); }
    });
    try {
      history.replaceState(null, "", location.pathname + (query.length ? "?" + query.join("&") : "") + location.hash);
    } catch (error) { /* a browser that forbids it for files: the view stays, the address does not follow */ }
  }

  function read() {
    var given = new URLSearchParams(location.search);
    fields.forEach(function (name) {
      var value = given.get(name) || "", field = form.elements[name];
      field.value = value;
      if (field.value !== value) { field.value = ""; }
    });
    small.checked = given.get("small") === small.value;
    var verdicts = (given.get("verdict") || "").split(",");
    boxes.forEach(function (box) { box.checked = verdicts.indexOf(box.value) >= 0; });
  }

  function change() {
    var wanted = apply();
    clearTimeout(waiting);
    waiting = setTimeout(function () { write(wanted); }, 200);
  }

  /* ---- rows -------------------------------------------------------------------------------- */
  /* put what is said of a run behind the links to it, once */
  function fill(body) {
    if (body.dataset.filled) { return; }
    body.dataset.filled = "yes";
    body.querySelectorAll('a[href^="#run-"]').forEach(function (link) {
      var line = document.getElementById(link.hash.slice(1));
      if (!line) { return; }
      var place = document.createElement("div");
      place.className = "run";
      Array.prototype.slice.call(line.cells, 1).forEach(function (cell) {
        var part = document.createElement("p");
        part.append.apply(part, cell.cloneNode(true).childNodes);
        place.append(part);
      });
      link.parentNode.append(place);
      link.replaceWith("run:");
    });
    var own = document.createElement("a");
    own.href = "#" + body.id;
    own.textContent = "this line";
    body.querySelector("dl").lastElementChild.append(", ", own);
  }

  function named() {
    var body = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    var row = body && rows.find(function (one) { return one.body === body; });
    if (!row) { return; }
    if (body.hidden) { form.reset(); write(apply()); }
    row.details.open = true;
    body.classList.add("open");
    body.scrollIntoView();
  }

  form.hidden = false;
  table.addEventListener("toggle", function (event) {
    var body = event.target.closest("tbody");
    if (event.target.open) { fill(body); }
    body.classList.toggle("open", event.target.open);
  }, true);
  form.addEventListener("input", change);
  form.addEventListener("submit", function (event) { event.preventDefault(); });
  form.addEventListener("reset", function () { setTimeout(change, 0); });
  form.elements.open.addEventListener("click", function () {
    rows.forEach(function (row) { if (!row.body.hidden) { row.details.open = true; } });
  });
  form.elements.close.addEventListener("click", function () {
    rows.forEach(function (row) { row.details.open = false; });
  });
  window.addEventListener("popstate", function () { read(); apply(); });
  window.addEventListener("hashchange", named);
  window.addEventListener("pageshow", function (event) { if (event.persisted) { apply(); } });
  read();
  apply();
  named();
})();
