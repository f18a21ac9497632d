// SPDX-License-Identifier: BSD-2-Clause
// Charts of the counters that a program's control socket gives as Prometheus text. No library; the language is that of old
// browsers, so that the functions without a page run in a small interpreter, too.

// What is drawn: rates of counters, a line for each set of the labels named.
var PANELS = [
  {title: "Packets", unit: "/s", names: ["vionet_queue_packets_total"], labels: ["device", "direction"]},
  {title: "Bits", unit: "bit/s", by: 8, names: ["vionet_queue_bytes_total"], labels: ["device", "direction"]},
  {title: "Dropped", unit: "/s", names: ["vionet_queue_drops_total"], labels: ["device", "direction", "reason"], quiet: true},
  {title: "No room in a ring, no packet in a pool", unit: "/s", quiet: true,
   names: ["vionet_queue_ring_full_total", "vionet_queue_no_buffer_total"], labels: ["device"]},
  {title: "Wake-ups and notifications", unit: "/s", names: ["vionet_queue_wakeups_total", "vionet_queue_kicks_total"],
   labels: ["device", "direction"]}
];
var COLOURS = ["#1b6ca8", "#d98032", "#3a9a5b", "#a3396a", "#6b5fb5", "#8a7a2b", "#3f8f99", "#b04a3a"];
var KEPT = 300; // points of a line

// parse(TEXT): a list of {name, labels, value}.
function parse(text) {
  var found = [], lines = text.split("\n"), line = /^(\w+)(?:\{(.*)\})? (\S+)/, label = /(\w+)="((?:[^"\\]|\\.)*)"/g;
  for (var i = 0; i < lines.length; i++) {
    var parts = line.exec(lines[i]), labels = {}, pair;
    if (!parts) continue;
    label.lastIndex = 0;
    while ((pair = label.exec(parts[2] || "")) !== null)
      labels[pair[1]] = pair[2].replace(/\\(.)/g, function (all, what) { return what === "n" ? "\n" : what; });
    found.push({name: parts[1], labels: labels, value: Number(parts[3])});
  }
  return found;
}

// sums(SAMPLES, PANEL): the sum of the panel's counters for each line, by the line's name.
function sums(samples, panel) {
  var found = {};
  for (var i = 0; i < samples.length; i++) {
    var each = samples[i];
    if (panel.names.indexOf(each.name) < 0) continue;
    var words = panel.names.length > 1 ? [each.name.replace(/^vionet_queue_|_total$/g, "").replace(/_/g, " ")] : [];
    for (var j = 0; j < panel.labels.length; j++) words.push(each.labels[panel.labels[j]]);
    var key = words.join(", ");
    found[key] = (found[key] || 0) + each.value * (panel.by || 1);
  }
  return found;
}

// rates(BEFORE, NOW, SECONDS): of each line that both have. A counter that is less than before began anew.
function rates(before, now, seconds) {
  var found = {};
  for (var key in now)
    if (key in before) found[key] = (now[key] >= before[key] ? now[key] - before[key] : now[key]) / seconds;
  return found;
}

// formatted(1234567): "1.23 M"
function formatted(value) {
  var letters = ["", " k", " M", " G", " T"], at = 0;
  while (value >= 1000 && at < letters.length - 1) { value /= 1000; at++; }
  return (value >= 100 || value === Math.round(value) ? value.toFixed(0) : value.toPrecision(3)) + letters[at];
}

// ---- the page --------------------------------------------------------------------------------------------------------------

function made(name, values, inside) {
  var each = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (var key in values) each.setAttribute(key, values[key]);
  if (inside !== undefined) each.textContent = inside;
  return each;
}

function draw(panel) {
  var wide = 560, high = 180, left = 64, most = 0, svg = panel.svg, keys = Object.keys(panel.lines), i;
  keys = keys.filter(function (key) {
    return !panel.quiet || panel.lines[key].some(function (point) { return point.value > 0; });
  });
  keys.forEach(function (key) { panel.lines[key].forEach(function (point) { most = Math.max(most, point.value); }); });
  most = most || 1;
  while (svg.firstChild) svg.removeChild(svg.firstChild);
  for (i = 0; i <= 2; i++) {
    var y = high - i * (high - 16) / 2;
    svg.appendChild(made("line", {x1: left, x2: wide, y1: y, y2: y, "class": "grid"}));
    svg.appendChild(made("text", {x: left - 6, y: y + 4, "text-anchor": "end"}, formatted(most * i / 2)));
  }
  panel.legend.textContent = keys.length ? "" : "none";
  keys.forEach(function (key, number) {
    var line = panel.lines[key], colour = COLOURS[number % COLOURS.length], last = line[line.length - 1];
    var points = line.map(function (point) {
      return (wide - (last.at - point.at) * (wide - left) / panel.seconds) + "," + (high - point.value / most * (high - 16));
    });
    svg.appendChild(made("polyline", {points: points.join(" "), stroke: colour, fill: "none", "stroke-width": 1.5}));
    var entry = document.createElement("span");
    entry.style.color = colour;
    entry.textContent = key + ": " + formatted(last.value) + panel.unit;
    panel.legend.appendChild(entry);
  });
}

function states(samples) {
  var found = {}, rows = "";
  samples.forEach(function (each) {
    if (!/^vionet_port_(started|link_up)$/.test(each.name)) return;
    var row = found[each.labels.device] = found[each.labels.device] || {};
    row[each.name] = each.value;
  });
  return Object.keys(found).map(function (device) {
    return device + ": " + (found[device].vionet_port_started ? "started" : "stopped") +
      (found[device].vionet_port_link_up ? ", link up" : ", link down");
  });
}

function start() {
  var before = null, began = 0, seconds = Number((/[?&]seconds=(\d+)/.exec(location.search) || [0, 120])[1]);
  PANELS.forEach(function (panel) {
    var box = document.createElement("section"), title = document.createElement("h2");
    title.textContent = panel.title;
    panel.lines = {}, panel.seconds = seconds;
    panel.svg = made("svg", {viewBox: "0 0 570 190"});
    panel.legend = document.createElement("p");
    [title, panel.svg, panel.legend].forEach(function (each) { box.appendChild(each); });
    document.getElementById("panels").appendChild(box);
  });
  function show(text) {
    var at = Date.now() / 1000, samples = parse(text);
    document.getElementById("state").textContent = states(samples).join(" \u00b7 ");
    PANELS.forEach(function (panel) {
      var now = sums(samples, panel), found = before ? rates(panel.before, now, at - began) : {};
      panel.before = now;
      for (var key in found) {
        var line = panel.lines[key] = panel.lines[key] || [];
        line.push({at: at, value: found[key]});
        while (line.length > KEPT || at - line[0].at > seconds) line.shift();
      }
      draw(panel);
    });
    before = true, began = at;
  }
  function look() {
    var request = new XMLHttpRequest();
    request.onload = function () { if (request.status === 200) show(request.responseText); else gone(); };
    request.onerror = gone;
    request.onloadend = function () { setTimeout(look, 1000); };
    request.open("GET", "metrics");
    request.send();
  }
  function gone() { document.getElementById("state").textContent = "The program does not answer."; }
  look();
}
if (typeof document !== "undefined") start();
