// A chart of the cells that the reader chooses, on one task: solve rate or median score against the lag. The figure above it has the
// same numbers, so that the page is complete without it.
"use strict";
{
  const HEIGHT = 300, LEFT = 48, RIGHT = 150, TOP = 12, BOTTOM = 40, LINE = 13;
  const TITLES = {rate: "networks that solve the task", score: "median score"};
  const {cells, order, rows, chosen} = JSON.parse(document.getElementById("explore-data").textContent);
  const place = document.getElementById("explore");
  const dark = window.matchMedia("(prefers-color-scheme: dark)");

  function element(name, properties = {}, ...children) {
    const made = Object.assign(document.createElement(name), properties);
    made.append(...children);
    return made;
  }

  function shape(name, attributes, text) {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (text !== undefined) made.textContent = text;
    return made;
  }

  function choice(label, options) {
    const select = element("select", {}, ...options.map(([value, text]) => element("option", {value, textContent: text})));
    select.addEventListener("change", draw);
    return [element("label", {textContent: `${label} `}, select), select];
  }

  const [taskLabel, task] = choice("Task", [...new Set(rows.map(row => row.task))].map(name => [name, name]));
  const [measureLabel, measure] = choice("Show", Object.entries(TITLES));
  const boxes = order.map(cell => {
    const box = element("input", {type: "checkbox", value: cell, checked: chosen.includes(cell)});
    box.addEventListener("change", draw);
    return box;
  });
  const every = element("button", {type: "button", textContent: "all or none"});
  every.addEventListener("click", () => {
    const all = boxes.some(box => !box.checked);
    for (const box of boxes) box.checked = all;
    draw();
  });
  const chart = shape("svg", {role: "group", "aria-label": "Chart of the chosen cells"});
  const value = element("output", {textContent: "Point at a marker for its numbers."});

  function describe(row) {
    if (!row.trained) return `${row.cell} on ${row.task}, lag ${row.lag}: not trained, as none of its networks solves a shorter lag`;
    const percent = share => `${Math.round(100 * share)} %`;
    return `${row.cell} on ${row.task}, lag ${row.lag}: ${row.solved} of ${row.seeds} networks solve it ` +
      `(interval ${percent(row.low)} to ${percent(row.high)}), median score ${row.score.toFixed(2)}`;
  }

  function draw() {
    const WIDTH = Math.max(320, Math.min(760, place.clientWidth));
    const shown = rows.filter(row => row.task === task.value);
    const lags = [...new Set(shown.map(row => row.lag))].sort((a, b) => a - b);
    const [first, last] = [Math.log(lags[0]), Math.log(lags.at(-1))];
    const x = lag => first === last ? (LEFT + WIDTH - RIGHT) / 2 : LEFT + (WIDTH - LEFT - RIGHT) * (Math.log(lag) - first) / (last - first);
    const y = share => TOP + (HEIGHT - TOP - BOTTOM) * (1 - Math.min(1, Math.max(0, share)));
    const parts = [];
    for (const share of [0, 0.25, 0.5, 0.75, 1]) {
      parts.push(shape("line", {x1: LEFT, x2: WIDTH - RIGHT, y1: y(share), y2: y(share), class: "grid"}));
      const label = measure.value === "rate" ? `${100 * share} %` : share;
      parts.push(shape("text", {x: LEFT - 6, y: y(share) + 4, "text-anchor": "end"}, label));
    }
    for (const lag of lags) parts.push(shape("text", {x: x(lag), y: HEIGHT - BOTTOM + 18, "text-anchor": "middle"}, lag));
    parts.push(shape("text", {x: (LEFT + WIDTH - RIGHT) / 2, y: HEIGHT - 4, "text-anchor": "middle"}, `lag; above: ${TITLES[measure.value]}`));
    const ends = [];
    for (const {value: cell} of boxes.filter(box => box.checked)) {
      const curve = shown.filter(row => row.cell === cell).sort((a, b) => a.lag - b.lag);
      if (!curve.length) continue;
      const height = row => y(measure.value === "rate" ? row.solved / row.seeds : row.score);
      const color = cells[cell][dark.matches ? "dark" : "light"];
      parts.push(shape("polyline", {points: curve.map(row => `${x(row.lag)},${height(row)}`).join(" "), stroke: color}));
      for (const row of curve) {
        const marker = shape("circle", {cx: x(row.lag), cy: height(row), r: 5, fill: row.trained ? color : "none", stroke: color, tabindex: 0, "aria-label": describe(row)});
        marker.append(shape("title", {}, describe(row)));
        for (const event of ["pointerenter", "focus"]) marker.addEventListener(event, () => value.textContent = describe(row));
        parts.push(marker);
      }
      ends.push([height(curve.at(-1)), cell, color]);
    }
    let free = Math.min(...ends.map(([at]) => at), HEIGHT - BOTTOM - LINE * (ends.length - 1)); // names at the right, below each other
    for (const [at, cell, color] of ends.sort(([a], [b]) => a - b)) {
      const room = HEIGHT - BOTTOM - LINE * (ends.length - 1 - ends.findIndex(end => end[1] === cell));
      const position = Math.max(Math.min(at, room), free);
      free = position + LINE;
      parts.push(shape("text", {x: WIDTH - RIGHT + 16, y: position + 4, fill: color}, cell));
    }
    chart.setAttribute("viewBox", `0 ${Math.min(0, TOP + HEIGHT - BOTTOM - LINE * ends.length)} ${WIDTH} ${HEIGHT}`);
    chart.replaceChildren(...parts);
  }

  const labels = boxes.map(box => element("label", {}, box, ` ${box.value}`));
  const fields = element("fieldset", {}, element("legend", {textContent: "Cells "}, every), ...labels);
  place.append(element("p", {}, taskLabel, " ", measureLabel), chart, value, fields);
  place.parentElement.hidden = false;
  dark.addEventListener("change", draw);
  new ResizeObserver(draw).observe(place); // also when it is unfolded
}
