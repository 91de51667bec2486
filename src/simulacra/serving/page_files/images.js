// Images and fields: one array of two dimensions for each event.

import { drawLegend, Scale } from "/page/colours.js";
import { drawCells, prepared } from "/page/canvas.js";
import { element, facts, shown, spelled, withUnit } from "/page/words.js";

const DECADES = 4;
const featureOf = (model) => model.variables.find((one) => one.role === "feature" && one.dims.length === 3 && one.dims[1] in model.coordinates);

export function fits(model) {
  return Boolean(featureOf(model));
}

export function view(place, model) {
  const feature = featureOf(model);
  const title = element("h2", {}, " ");
  const told = element("div");
  const canvas = element("canvas", { role: "img" });
  const legend = element("canvas", { role: "img", "aria-label": `Colours of ${feature.long_name}` });
  const name = element("span", { class: "name" });
  place.replaceChildren(title, told,
    element("div", { class: "sections of-1" },
      element("figure", {}, canvas, element("div", { class: "legend" }, legend, name))));
  let last = null;

  function draw() {
    if (!last) return;
    const values = last.flat();
    const largest = Math.max(...values);
    const positive = values.filter((one) => one > 0);
    const logarithmic = Math.min(...values) >= 0 && largest > 30 * median(positive.length ? positive : [1]);
    const low = logarithmic ? Math.max(Math.min(...positive), largest / 10 ** DECADES) : Math.min(...values);
    const scale = new Scale(low, largest > low ? largest : low + 1, logarithmic);
    const [rows, columns] = feature.shape;
    const [brush, width, height] = prepared(canvas, (across) => (across * rows) / columns);
    drawCells(brush, 0, 0, width, height, rows, columns, (row, column) => last[row][column], scale);
    const [other, wide, high] = prepared(legend, 34);
    drawLegend(other, wide, high, scale);
    name.textContent = withUnit(feature.long_name, feature.units) + (logarithmic ? ", logarithmic; black: none" : "");
    canvas.setAttribute("aria-label", `${feature.long_name} in ${rows} × ${columns} pixels, at most ${shown(largest)}`);
  }

  return {
    async show(answer) {
      last = answer.variables[feature.name].values[0];
      const values = last.flat();
      const mean = values.reduce((total, one) => total + one, 0) / values.length;
      const above = values.filter((one) => one > 0).length;
      title.replaceChildren(`One event of ${model.name} `, element("small", {}, `${feature.shape.join(" × ")} pixels, ${spelled(feature.dims[1])} upwards`));
      told.replaceChildren(facts([
        ["mean", shown(mean)],
        ["largest", shown(Math.max(...values))],
        ...(Math.min(...values) >= 0 ? [["sum", shown(mean * values.length)], ["pixels above 0", String(above)]] : [["smallest", shown(Math.min(...values))]]),
      ]));
      draw();
    },
    draw,
  };
}

function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}
