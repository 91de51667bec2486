// Particles in the plane of pseudorapidity and azimuth; the area of a circle is the transverse momentum.

import { drawAxes, prepared } from "/page/canvas.js";
import { element, facts, shown, spelled, withUnit } from "/page/words.js";

const NAMES = [["eta_rel", "phi_rel", "pt_rel"], ["particle_eta", "particle_phi", "particle_pt"]];
// Few widths of the plane, so that it seldom changes.
const RADII = [0.2, 0.4, 0.8, 1.6];

function namesOf(model) {
  const names = model.variables.map((one) => one.name);
  return NAMES.find((three) => three.every((name) => names.includes(name)));
}

export function fits(model) {
  return Boolean(namesOf(model)) || model.variables.some((one) => one.name === "momentum" && one.dims.join() === "event,particle,component");
}

export function view(place, model) {
  const title = element("h2", {}, " ");
  const told = element("div");
  const canvas = element("canvas", { role: "img" });
  place.replaceChildren(title, told, element("div", { class: "plane" }, canvas),
    element("p", { class: "beside" }, "Each circle is a particle; its area is its transverse momentum."));
  const relative = namesOf(model)?.[0] === "eta_rel";
  let last = null;

  function draw() {
    if (!last) return;
    const { particles } = last;
    const reach = Math.max(0, ...particles.map((one) => Math.max(Math.abs(one.eta), Math.abs(one.phi))));
    const radius = RADII.find((one) => one > reach);
    const [wide, tall] = radius ? [radius, radius] : [Math.max(5, 1.05 * reach), Math.PI];
    const [brush, width, height] = prepared(canvas, (across) => Math.min(across * (radius ? 0.92 : 0.7), 620));
    const after = relative ? " relative to the jet" : "";
    const [across, up] = drawAxes(brush, width, height,
      { name: `pseudorapidity${after}`, range: [-wide, wide] }, { name: `azimuth${after} [rad]`, range: [-tall, tall] });
    const largest = Math.max(...particles.map((one) => one.pt), 1e-30);
    for (const one of [...particles].sort((a, b) => b.pt - a.pt)) {
      brush.beginPath();
      brush.arc(across(one.eta), up(one.phi), Math.max(1.5, (width / 26) * Math.sqrt(one.pt / largest)), 0, 2 * Math.PI);
      brush.fillStyle = "rgba(213, 94, 0, .45)";
      brush.strokeStyle = "#a33d00";
      brush.lineWidth = 1;
      brush.fill();
      brush.stroke();
    }
    canvas.setAttribute("aria-label", `${particles.length} particles in the plane of pseudorapidity and azimuth`);
  }

  return {
    async show(answer, conditions) {
      const particles = particlesOf(model, answer.variables);
      last = { particles };
      const choices = model.conditions.filter((one) => one.kind === "choice").map((one) => conditions[one.name]);
      title.replaceChildren(`One event of ${model.name} `, element("small", {}, choices.join(", ")));
      const scalars = model.variables.filter((one) => one.dims.length === 1 && one.role !== "condition");
      told.replaceChildren(facts([
        ["particles", String(particles.length)],
        ...scalars.map((one) => [withUnit(spelled(one.name), one.units), shown(Number(answer.variables[one.name].values[0]))]),
      ]));
      draw();
    },
    draw,
  };
}

function particlesOf(model, variables) {
  const present = variables.present ? variables.present.values[0] : null;
  const names = namesOf(model);
  const all = names
    ? variables[names[0]].values[0].map((eta, k) => ({ eta, phi: variables[names[1]].values[0][k], pt: variables[names[2]].values[0][k] }))
    : variables.momentum.values[0].map(ofMomentum);
  return all.filter((one, k) => (!present || present[k]) && one.pt > 0);
}

function ofMomentum([x, y, z]) {
  const pt = Math.hypot(x, y);
  return { pt, phi: Math.atan2(y, x), eta: pt > 0 ? Math.asinh(z / pt) : 0 };
}
