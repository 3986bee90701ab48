// A chart of the cells that the reader chooses, on one task: solve rate or median score against the lag. The figure above it has the
// same numbers, so that the page is complete without it.
"use strict";
{
  const HEIGHT = 300, LEFT = 48, TOP = 12, BOTTOM = 40, LINE = 13, LETTER = 6.3, NEAR = 6;
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
  const value = element("output");
  let drawn; // the width of the page for which the chart is drawn

  function describe(row) {
    if (!row.trained) return `${row.cell} on ${row.task}, lag ${row.lag}: not trained, as none of its networks solved the last shorter lag that was tried`;
    const percent = share => `${Math.round(100 * share)} %`;
    return `${row.cell} on ${row.task}, lag ${row.lag}: ${row.solved} of ${row.seeds} networks solve it ` +
      `(interval ${percent(row.low)} to ${percent(row.high)}), median score ${row.score.toFixed(2)}`;
  }

  function draw() {
    const names = boxes.filter(box => box.checked).map(box => box.value);
    drawn = place.clientWidth;
    const RIGHT = 24 + LETTER * Math.max(0, ...names.map(name => name.length));
    const WIDTH = Math.max(RIGHT + LEFT + 160, Math.min(760, drawn));
    const lowest = measure.value === "rate" ? 0 : Math.max(-1, Math.min(0, ...rows.map(row => row.score)));
    const shown = rows.filter(row => row.task === task.value);
    const lags = [...new Set(shown.map(row => row.lag))].sort((a, b) => a - b);
    const [first, last] = [Math.log(lags[0]), Math.log(lags.at(-1))];
    const x = lag => first === last ? (LEFT + WIDTH - RIGHT) / 2 : LEFT + (WIDTH - LEFT - RIGHT) * (Math.log(lag) - first) / (last - first);
    const y = share => TOP + (HEIGHT - TOP - BOTTOM) * (1 - Math.min(1, Math.max(lowest, share))) / (1 - lowest);
    const parts = [];
    for (const share of lowest < 0 ? [-1, -0.5, 0, 0.5, 1].filter(share => share >= lowest) : [0, 0.25, 0.5, 0.75, 1]) {
      parts.push(shape("line", {x1: LEFT, x2: WIDTH - RIGHT, y1: y(share), y2: y(share), class: "grid"}));
      const label = measure.value === "rate" ? `${100 * share} %` : share;
      parts.push(shape("text", {x: LEFT - 6, y: y(share) + 4, "text-anchor": "end"}, label));
    }
    for (const lag of lags) parts.push(shape("text", {x: x(lag), y: HEIGHT - BOTTOM + 18, "text-anchor": "middle"}, lag));
    parts.push(shape("text", {x: LEFT - 6, y: TOP - 12, "text-anchor": "start", class: "title"}, TITLES[measure.value]));
    parts.push(shape("text", {x: (LEFT + WIDTH - RIGHT) / 2, y: HEIGHT - 4, "text-anchor": "middle"}, "lag (hollow markers: not trained)"));
    const ends = [];
    const markers = [];
    for (const cell of names) {
      const curve = shown.filter(row => row.cell === cell).sort((a, b) => a.lag - b.lag);
      if (!curve.length) continue;
      const height = row => y(measure.value === "rate" ? row.solved / row.seeds : row.score);
      const color = cells[cell][dark.matches ? "dark" : "light"];
      parts.push(shape("polyline", {points: curve.filter(row => row.trained).map(row => `${x(row.lag)},${height(row)}`).join(" "), stroke: color}));
      for (const row of curve) {
        const marker = shape("circle", {cx: x(row.lag), cy: height(row), r: 5, fill: row.trained ? color : "transparent", stroke: color, tabindex: 0, "aria-label": describe(row)});
        marker.append(shape("title", {}, describe(row)));
        markers.push([x(row.lag), height(row), row]);
        for (const event of ["pointerenter", "focus"]) marker.addEventListener(event, () => { // and those that it covers
          const covered = markers.filter(([a, b, other]) => Math.hypot(a - x(row.lag), b - height(row)) < NEAR && other !== row);
          value.replaceChildren(...[row, ...covered.map(([, , other]) => other)].map(one => element("div", {textContent: describe(one)})));
        });
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
    const above = Math.min(-14, HEIGHT - BOTTOM - LINE * ends.length); // where there are more names than fit beside the chart
    chart.setAttribute("viewBox", `0 ${above} ${WIDTH} ${HEIGHT - above}`);
    value.textContent = names.length ? "Point at a marker for its numbers." : "Choose cells below.";
    chart.replaceChildren(...parts);
  }

  const labels = boxes.map(box => element("label", {}, box, ` ${box.value}`));
  const fields = element("fieldset", {}, element("legend", {textContent: "Cells "}, every), ...labels);
  place.append(element("p", {}, taskLabel, " ", measureLabel), chart, value, fields);
  place.parentElement.hidden = false;
  dark.addEventListener("change", draw);
  new ResizeObserver(() => place.clientWidth === drawn || draw()).observe(place); // also when it is unfolded, not when it is higher
}
