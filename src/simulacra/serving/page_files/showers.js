// Showers: the sections of a calorimeter as maps of energy, beside the mean of the simulation.

import { drawLegend, Scale } from "/page/colours.js";
import { drawCells, prepared } from "/page/canvas.js";
import { referenceMean } from "/page/ask.js";
import { element, energy, energyWith, shown, spelled } from "/page/words.js";

// Of the highest trained energy: the ends of the colours, the same for all showers, so that one sees the energy change.
const [LOWEST, HIGHEST] = [1e-7, 0.3];

export function fits(model) {
  const cells = model.variables.some((one) => one.name === "shower" && one.dims.join() === "event,cell");
  return cells && "geometry" in model.attributes && model.conditions.some((one) => one.name === "incident_energy");
}

export function view(place, model) {
  const sections = sectionsOf(model.attributes.geometry);
  const own = row(sections, "generated");
  const other = row(sections, "reference");
  const none = element("p", { class: "none", hidden: true });
  other.box.append(none);
  const legend = element("canvas", { role: "img", "aria-label": "Colours of the energy in a cell, logarithmic" });
  // The colours stand between the rows, so that they are on a small screen too.
  place.replaceChildren(own.box,
    element("div", { class: "legend" }, legend, element("span", { class: "name" }, "energy in a cell [MeV], logarithmic; black: none")),
    other.box);
  const most = 1000 * model.conditions.find((one) => one.name === "incident_energy").high;
  const scale = new Scale(LOWEST * most, HIGHEST * most, true);
  let last = null;

  function draw() {
    if (!last) return;
    const { shower, mean } = last;
    own.draw(shower, scale, (k, total) => energy(total));
    const asked = last.conditions.incident_energy;
    own.title.replaceChildren(`One shower of ${model.name} `,
      element("small", {}, `${particle(model)} of ${shown(asked, 4)}\u00a0GeV, ${energy(sum(shower))} deposited`));
    none.hidden = mean.available;
    other.grid.hidden = !mean.available;
    if (mean.available) {
      other.draw(mean.mean, scale, (k) => energyWith(mean.sections[k], mean.spread[k]));
      other.title.replaceChildren("Mean of Geant4 ",
        element("small", {}, `${mean.number} shipped showers of ${shown(mean.low)} to ${shown(mean.high)} GeV; ± from shower to shower`));
    } else {
      other.title.textContent = "Mean of Geant4";
      none.textContent = `${mean.reason}, so there is no mean to draw.`;
    }
    const [brush, width, height] = prepared(legend, 34);
    drawLegend(brush, width, height, scale);
  }

  return {
    async show(answer, conditions) {
      const mean = await referenceMean(model.name, conditions);
      last = { shower: answer.variables.shower.values[0], mean, conditions };
      draw();
    },
    draw,
  };
}

function particle(model) {
  return { "e+": "e⁺", "e-": "e⁻", gamma: "γ" }[model.attributes.particle] || model.attributes.particle || "particle";
}

const sum = (values) => values.reduce((total, one) => total + one, 0);

function sectionsOf(geometry) {
  let first = 0;
  return geometry.sections.map((one) => {
    const [rows, columns] = one.kind === "cylindrical" ? [one.alpha_bins, one.r_edges.length - 1] : [one.phi_cells, one.eta_cells];
    const made = { name: one.name, layers: one.layers, rows, columns, first, polar: one.kind === "cylindrical" };
    first += rows * columns;
    return made;
  });
}

// A row of maps, one for each section, with its title.
function row(sections, kind) {
  const title = element("h2", {}, " ");
  const parts = sections.map((section) => {
    const canvas = element("canvas", { role: "img" });
    const cells = element("span", { class: "cells" }, section.polar ? "" : `, ${section.rows} × ${section.columns}`);
    const total = element("span", { class: "total" });
    return { section, canvas, total, figure: element("figure", {}, canvas, element("figcaption", {}, element("span", {}, spelled(section.name), cells), total)) };
  });
  const grid = element("div", { class: "sections" }, ...parts.map((part) => part.figure));
  const box = element("div", { class: `row ${kind}` }, title, grid);
  return {
    title,
    grid,
    box,
    draw(cells, scale, told) {
      parts.forEach(({ section, canvas, total }, k) => {
        const [brush, width, height] = prepared(canvas, (across) => across);
        const at = (phi, eta) => cells[section.first + phi * section.columns + eta];
        drawCells(brush, 0, 0, width, height, section.rows, section.columns, at, scale);
        const text = told(k, sum(cells.slice(section.first, section.first + section.rows * section.columns)));
        total.textContent = text;
        canvas.setAttribute("aria-label", `${spelled(section.name)}: ${text}`);
      });
    },
  };
}
