// Numbers and names as text, and small pieces of the page.

export function shown(number, digits = 3) {
  if (number === 0) return "0";
  const size = Math.abs(number);
  if (size >= 1e5 || size < 1e-3) return number.toExponential(digits - 1).replace("e+", "e");
  return Number(number.toPrecision(digits)).toLocaleString("en", { maximumFractionDigits: 10 });
}

export const spelled = (name) => name.replaceAll("_", " ");

export const withUnit = (name, units) => (units === "1" ? name : `${name} [${units}]`);

export const energy = (mev) => {
  const [number, unit] = mev >= 1000 ? [mev / 1000, "GeV"] : [mev, "MeV"];
  return `${number >= 0.001 && number < 1000 ? number.toPrecision(3) : shown(number)}\u00a0${unit}`;
};

// Energies of about the same size in one unit, such as a mean with its spread.
export const energyWith = (mev, spread) => {
  const scale = mev >= 1000 ? 1000 : 1;
  const decimals = Math.max(0, 1 - Math.floor(Math.log10(Math.max(spread / scale, 1e-6))));
  return `${(mev / scale).toFixed(decimals)} ± ${(spread / scale).toFixed(decimals)}\u00a0${scale === 1000 ? "GeV" : "MeV"}`;
};

export function element(name, attributes = {}, ...content) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === true) made.setAttribute(key, "");
    else if (value !== false && value !== undefined) made.setAttribute(key, value);
  }
  made.append(...content);
  return made;
}

export function facts(pairs) {
  const items = pairs.map(([name, value]) =>
    element("li", {}, element("span", {}, `${name} `), element("b", {}, value)));
  return element("ul", { class: "facts" }, ...items);
}
