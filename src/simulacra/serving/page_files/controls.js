// The controls of a model's conditions.

import { element, shown, spelled } from "/page/words.js";

const STEPS = 500;
const isLogarithmic = (one) => one.low > 0 && one.high / one.low >= 10;

// Fill a place with the controls of all conditions; return the function that reads them, and one that shows drawn values.
export function conditionControls(place, conditions, changed) {
  const decided = conditions.some((one) => one.decides);
  const all = conditions.map((one) => control(one, decided && !one.decides, changed));
  place.replaceChildren(...all.map((one) => one.box));
  return {
    read: () => Object.fromEntries(all.filter((one) => !one.isDrawn()).map((one) => [one.name, one.value()])),
    show: (made) => all.filter((one) => one.isDrawn()).forEach((one) => one.show(made[one.name])),
  };
}

function control(one, drawn, changed) {
  if (one.kind === "choice") return choice(one, changed);
  const id = `condition-${one.name}`;
  const whole = one.kind === "integer";
  const logarithmic = isLogarithmic(one) && !whole;
  const toPlace = (value) =>
    Math.round(STEPS * (logarithmic ? Math.log(value / one.low) / Math.log(one.high / one.low) : (value - one.low) / (one.high - one.low || 1)));
  const rounded = (value) => Math.min(Math.max(whole ? Math.round(value) : Number(value.toPrecision(4)), one.low), one.high);
  const toValue = (place) => {
    if (place <= 0) return one.low;
    if (place >= STEPS) return one.high;
    return rounded(logarithmic ? one.low * (one.high / one.low) ** (place / STEPS) : one.low + ((one.high - one.low) * place) / STEPS);
  };
  let value = rounded(start(one, logarithmic));
  const slider = element("input", { type: "range", id, min: 0, max: STEPS, step: 1, value: toPlace(value) });
  const range = `${whole ? "a whole number, " : ""}${shown(one.low, 4)} to ${shown(one.high, 4)}${one.units === "1" ? "" : ` ${one.units}`}, as trained`;
  const refused = element("div", { class: "refused", id: `${id}-refused`, role: "alert" });
  const number = element("input", { type: "number", min: one.low, max: one.high, step: "any", "aria-label": spelled(one.name), "aria-describedby": refused.id });
  const free = element("input", { type: "checkbox" });
  free.checked = drawn;
  const box = element("div", { class: "condition" },
    element("div", { class: "head" },
      element("label", { for: id, title: one.long_name }, spelled(one.name)),
      element("span", { class: "value" }, number, one.units === "1" ? "" : one.units)),
    refused,
    slider,
    element("div", { class: "ends" }, element("span", {}, shown(one.low)), element("span", {}, shown(one.high))));
  if (one.kind === "empirical") box.append(element("label", { class: "drawn" }, free, " drawn as in the training sample"));
  const show = () => {
    refused.textContent = "";
    number.removeAttribute("aria-invalid");
    number.value = Number(value.toPrecision(4));
    slider.value = toPlace(value);
    slider.setAttribute("aria-valuetext", `${shown(value, 4)} ${one.units === "1" ? "" : one.units}`);
    box.classList.toggle("is-drawn", free.checked);
  };
  slider.addEventListener("input", () => { value = toValue(Number(slider.value)); free.checked = false; show(); changed(); });
  number.addEventListener("change", () => {
    const typed = Number(number.value);
    if (number.value === "" || !(typed >= one.low && typed <= one.high) || (whole && !Number.isInteger(typed))) {
      // What was typed stays to be mended; the event drawn is still that of the slider.
      refused.textContent = range;
      number.setAttribute("aria-invalid", "true");
      return;
    }
    value = typed;
    free.checked = false;
    show();
    changed();
  });
  free.addEventListener("change", () => { show(); changed(); });
  show();
  return { name: one.name, box, value: () => value, isDrawn: () => free.checked, show: (drawnValue) => { value = drawnValue; show(); } };
}

// Where a slider begins: perpendicular in the middle of the face, and else in the middle of its range.
function start(one, logarithmic) {
  if (one.low <= 0 && one.high >= 0 && (one.units === "mm" || one.units === "rad")) return 0;
  return logarithmic ? Math.min(Math.sqrt(one.low * one.high) * 5, one.high / 2) : (one.low + one.high) / 2;
}

function choice(one, changed) {
  const id = `condition-${one.name}`;
  const select = element("select", { id }, ...one.choices.map((name) => element("option", {}, name)));
  select.addEventListener("change", changed);
  const box = element("div", { class: "condition" }, element("label", { for: id, title: one.long_name }, spelled(one.name)), select);
  return { name: one.name, box, value: () => select.value, isDrawn: () => false, show: () => {} };
}
