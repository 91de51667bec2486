// Light curves: a feature against the times of its observations; magnitudes run downwards, as astronomers draw them.

import { drawAxes, line, prepared } from "/page/canvas.js";
import { element, facts, shown, spelled, withUnit } from "/page/words.js";

function partsOf(model) {
  const time = model.variables.find((one) => one.role === "coordinate" && one.dims.length === 2);
  const feature = time && model.variables.find((one) => one.role === "feature" && one.dims.join() === time.dims.join());
  return feature ? { time, feature } : null;
}

export function fits(model) {
  return Boolean(partsOf(model));
}

export function view(place, model) {
  const { time, feature } = partsOf(model);
  const title = element("h2", {}, `One event of ${model.name}`);
  const told = element("div");
  const canvas = element("canvas", { role: "img" });
  place.replaceChildren(title, told, element("div", { class: "plane" }, canvas));
  let last = null;

  function draw() {
    if (!last) return;
    const times = last.map((one) => one.time);
    const values = last.flatMap((one) => [one.value - one.error, one.value + one.error]);
    const spare = 0.08 * (Math.max(...values) - Math.min(...values) || 1);
    const range = [Math.min(...values) - spare, Math.max(...values) + spare];
    const [brush, width, height] = prepared(canvas, (across) => Math.min(Math.max(across * 0.55, 260), 460));
    const [across, up] = drawAxes(brush, width, height,
      { name: withUnit(spelled(time.name), time.units), range: [Math.min(...times), Math.max(...times)] },
      { name: withUnit(spelled(feature.name), feature.units), range: feature.units === "mag" ? range.reverse() : range });
    brush.strokeStyle = brush.fillStyle = "#0072b2";
    for (const one of last) {
      brush.lineWidth = 1;
      if (one.error > 0) line(brush, across(one.time), up(one.value - one.error), across(one.time), up(one.value + one.error));
      brush.beginPath();
      brush.arc(across(one.time), up(one.value), 3, 0, 2 * Math.PI);
      brush.fill();
    }
    canvas.setAttribute("aria-label", `${last.length} observations of the ${spelled(feature.name)}`);
  }

  return {
    async show(answer) {
      const of = (role) => model.variables.find((one) => one.role === role && one.dims.join() === time.dims.join());
      const [errors, mask] = [of("uncertainty"), of("mask")];
      const values = (one) => answer.variables[one.name].values[0];
      last = values(time)
        .map((at, k) => ({ time: at, value: values(feature)[k], error: errors ? values(errors)[k] : 0, seen: mask ? values(mask)[k] : true }))
        .filter((one) => one.seen);
      const conditions = model.conditions.map((one) => [withUnit(spelled(one.name), one.units), shown(Number(answer.variables[one.name].values[0]))]);
      told.replaceChildren(facts([["observations", String(last.length)], ...conditions]));
      draw();
    },
    draw,
  };
}
