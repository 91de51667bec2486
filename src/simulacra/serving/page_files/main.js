// The page: which model, its conditions, and one event drawn again at each change.

import { describeModel, listModels, makeEvents, Refusal, useToken } from "/page/ask.js";
import { conditionControls } from "/page/controls.js";
import { element, shown } from "/page/words.js";
import * as showers from "/page/showers.js";
import * as clouds from "/page/clouds.js";
import * as curves from "/page/curves.js";
import * as images from "/page/images.js";
import * as numbers from "/page/numbers.js";

const VIEWS = [showers, clouds, curves, images, numbers];
const at = (id) => document.getElementById(id);

let model = null;
let view = null;
let controls = null;
let seed = 1;
// One request at a time; what changed meanwhile is asked for when its answer is there.
let asking = false;
let stale = false;

async function ask() {
  stale = true;
  if (asking) return;
  asking = true;
  try {
    while (stale) {
      stale = false;
      await askOnce();
    }
  } finally {
    asking = false;
  }
}

async function askOnce() {
  const [asked, shows] = [model, view];
  const start = performance.now();
  try {
    const answer = await makeEvents(asked.name, { number: 1, seed, conditions: controls.read() });
    const took = performance.now() - start;
    if (shows !== view) return;
    const made = Object.fromEntries(asked.conditions.map((one) => [one.name, answer.variables[one.name].values[0]]));
    controls.show(made);
    await shows.show(answer, { ...made, ...controls.read() });
    at("said").textContent = `seed ${answer.seed}, asked for and here in ${shown(took, 2)} ms`;
    at("trouble").textContent = "";
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    at("trouble").textContent = error.message;
  }
}

function changed() {
  if (document.querySelector("input[name=noise]:checked").value === "new") seed += 1;
  ask();
}

function another() {
  seed += 1;
  ask();
}

async function choose(name) {
  try {
    model = await describeModel(name);
  } catch (error) {
    at("trouble").textContent = error.message;
    return;
  }
  at("title").textContent = model.name;
  document.title = `${model.name} · Simulacra`;
  at("foot").textContent = `Simulacra ${model.version}, system ${model.system}, weights ${model.weights_sha256.slice(0, 12)}.`;
  view = VIEWS.find((one) => one.fits(model)).view(at("view"), model);
  controls = conditionControls(at("conditions"), model.conditions, changed);
  await ask();
}

async function enter() {
  let models;
  try {
    models = await listModels();
  } catch (error) {
    at("title").textContent = "Simulacra";
    if (error.status === 401) {
      at("entrance").hidden = false;
      at("token").focus();
    } else {
      at("title").textContent = error.message;
    }
    return false;
  }
  at("entrance").hidden = true;
  at("workbench").hidden = false;
  at("model").replaceChildren(...models.map((one) => element("option", {}, one.name)));
  await choose(models[0].name);
  return true;
}

at("entrance").addEventListener("submit", async (event) => {
  event.preventDefault();
  useToken(at("token").value);
  at("token").value = "";
  at("denied").textContent = (await enter()) ? "" : "That is not the token.";
});
at("model").addEventListener("change", () => choose(at("model").value));
at("another").addEventListener("click", another);
document.querySelectorAll("input[name=noise]").forEach((one) => one.addEventListener("change", changed));
document.addEventListener("keydown", (event) => {
  const writes = event.target.matches("input:not([type=range], [type=radio], [type=checkbox]), select");
  if (event.key === "n" && !writes && !event.ctrlKey && !event.metaKey && !event.altKey && model) another();
});
let width = window.innerWidth;
window.addEventListener("resize", () => {
  if (window.innerWidth !== width) {
    width = window.innerWidth;
    if (view) view.draw();
  }
});
enter();
