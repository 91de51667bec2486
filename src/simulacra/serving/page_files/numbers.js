// Anything else: the numbers of an event as a table.

import { element, shown, spelled, withUnit } from "/page/words.js";

const MOST = 24;

export function fits() {
  return true;
}

export function view(place, model) {
  const body = element("tbody");
  const table = element("table", {},
    element("thead", {}, element("tr", {}, element("th", {}, "variable"), element("th", {}, "shape"), element("th", {}, "values"))), body);
  place.replaceChildren(element("h2", {}, `One event of ${model.name}`),
    element("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "The numbers of the event" }, table));
  return {
    async show(answer) {
      body.replaceChildren(...model.variables.map((one) => {
        const values = [answer.variables[one.name].values[0]].flat(Infinity);
        const text = values.slice(0, MOST).map((value) => shown(Number(value))).join("  ") + (values.length > MOST ? " …" : "");
        return element("tr", {},
          element("th", { title: one.long_name }, withUnit(spelled(one.name), one.units)),
          element("td", {}, one.shape.length ? one.shape.join(" × ") : "one number"),
          element("td", { class: "value" }, text));
      }));
    },
    draw() {},
  };
}
