/* Lists that are folded. They are open without this script; it folds them, and opens the one that holds the row
   which the address names. */
(function () {
  "use strict";
  var lists = document.querySelectorAll("details.companion-folded");

  function named() {
    var row = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    var list = row && row.closest("details.companion-folded");
    if (list) { list.open = true; row.scrollIntoView(); }
  }

  lists.forEach(function (list) { list.open = false; });
  window.addEventListener("hashchange", named);
  window.addEventListener("beforeprint", function () { lists.forEach(function (list) { list.open = true; }); });
  named();
})();
