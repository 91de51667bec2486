// Colour scales and their legends.

import { shown } from "/page/words.js";

const INFERNO = ["#000004", "#1b0c41", "#4a0c6b", "#781c6d", "#a52c60", "#cf4446", "#ed6925", "#fb9b06", "#f7d13d", "#fcffa4"]
  .map((text) => [1, 3, 5].map((k) => parseInt(text.slice(k, k + 2), 16)));

export const EMPTY = "#000004";

function colour(share) {
  const place = Math.min(Math.max(share, 0), 1) * (INFERNO.length - 1);
  const k = Math.min(Math.floor(place), INFERNO.length - 2);
  const rgb = INFERNO[k].map((low, i) => Math.round(low + (place - k) * (INFERNO[k + 1][i] - low)));
  return `rgb(${rgb.join()})`;
}

export class Scale {
  constructor(low, high, logarithmic) {
    Object.assign(this, { low, high, logarithmic });
  }

  share(value) {
    if (this.logarithmic) return value > 0 ? Math.log(value / this.low) / Math.log(this.high / this.low) : -1;
    return (value - this.low) / (this.high - this.low || 1);
  }

  // What is 0 on a logarithmic scale has no colour; what is below its end has the darkest one.
  colour(value) {
    if (this.logarithmic && value <= 0) return EMPTY;
    return colour(this.logarithmic ? 0.08 + 0.92 * Math.max(this.share(value), 0) : this.share(value));
  }

  ticks() {
    if (!this.logarithmic) {
      const step = niceStep(this.high - this.low);
      const first = Math.ceil(this.low / step);
      return Array.from({ length: Math.floor(this.high / step) - first + 1 }, (_, k) => (first + k) * step);
    }
    const first = Math.ceil(Math.log10(this.low) - 1e-9);
    const last = Math.floor(Math.log10(this.high) + 1e-9);
    return Array.from({ length: last - first + 1 }, (_, k) => 10 ** (first + k));
  }
}

export function niceStep(width, most = 6) {
  const rough = Math.max(width, 1e-30) / most;
  const power = 10 ** Math.floor(Math.log10(rough));
  return [1, 2, 5, 10].map((k) => k * power).find((step) => step >= rough);
}

// Draw a legend into a canvas from "prepared": a bar, and its numbers below.
export function drawLegend(brush, width, height, scale) {
  const bar = height - 17;
  for (let x = 0; x < width; x += 1) {
    const share = x / (width - 1);
    const value = scale.logarithmic ? scale.low * (scale.high / scale.low) ** share : scale.low + share * (scale.high - scale.low);
    brush.fillStyle = scale.colour(value);
    brush.fillRect(x, 0, 1.5, bar);
  }
  brush.fillStyle = "#55606d";
  brush.font = "11px system-ui, sans-serif";
  for (const tick of scale.ticks()) {
    const x = Math.min(Math.max(scale.share(tick), 0), 1) * width;
    brush.fillRect(Math.min(x, width - 1), bar, 1, 4);
    const text = scale.logarithmic && (tick >= 1e4 || tick < 1e-2) ? tick.toExponential(0).replace("e+", "e") : shown(tick);
    const half = brush.measureText(text).width / 2;
    brush.fillText(text, Math.min(Math.max(x - half, 0), width - 2 * half), height - 2);
  }
}
