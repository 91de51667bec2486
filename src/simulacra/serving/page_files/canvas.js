// Canvases that are as sharp as the screen, grids of cells, and axes.

import { niceStep } from "/page/colours.js";
import { shown } from "/page/words.js";

// Fit a canvas to its place in the page and return [brush, width, height] in pixels of CSS.
export function prepared(canvas, height) {
  const width = canvas.clientWidth || 300;
  const tall = typeof height === "function" ? height(width) : height;
  const ratio = Math.min(window.devicePixelRatio || 1, 3);
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(tall * ratio);
  canvas.style.height = `${tall}px`;
  const brush = canvas.getContext("2d");
  brush.setTransform(ratio, 0, 0, ratio, 0, 0);
  brush.clearRect(0, 0, width, tall);
  return [brush, width, tall];
}

// Draw values of rows and columns; the first row is at the bottom.
export function drawCells(brush, left, top, width, height, rows, columns, value, scale) {
  brush.fillStyle = scale.colour(scale.logarithmic ? 0 : scale.low);
  brush.fillRect(left, top, width, height);
  // Edges at whole pixels of the screen, or its grid shows between cells.
  const { a: ratio } = brush.getTransform();
  const edge = (begin, size, share) => Math.round((begin + size * share) * ratio) / ratio;
  for (let row = 0; row < rows; row += 1) {
    const [high, low] = [edge(top, height, 1 - (row + 1) / rows), edge(top, height, 1 - row / rows)];
    for (let column = 0; column < columns; column += 1) {
      const one = value(row, column);
      if (scale.logarithmic && one <= 0) continue;
      const [first, last] = [edge(left, width, column / columns), edge(left, width, (column + 1) / columns)];
      brush.fillStyle = scale.colour(one);
      brush.fillRect(first, high, last - first, low - high);
    }
  }
}

// Draw the frame of a plot, and return the functions from values to places; [first, last] of y runs upwards.
export function drawAxes(brush, width, height, x, y) {
  const box = { left: 54, top: 8, right: width - 10, bottom: height - 40 };
  const across = (value) => box.left + ((value - x.range[0]) / (x.range[1] - x.range[0])) * (box.right - box.left);
  const up = (value) => box.bottom - ((value - y.range[0]) / (y.range[1] - y.range[0])) * (box.bottom - box.top);
  brush.font = "12px system-ui, sans-serif";
  brush.lineWidth = 1;
  brush.textAlign = "center";
  for (const tick of ticksOf(x.range)) {
    brush.strokeStyle = "#e3e6ea";
    line(brush, across(tick), box.top, across(tick), box.bottom);
    brush.fillStyle = "#5b6570";
    brush.fillText(shown(tick), across(tick), box.bottom + 16);
  }
  brush.fillStyle = "#1d2530";
  brush.fillText(x.name, (box.left + box.right) / 2, height - 6);
  brush.textAlign = "right";
  for (const tick of ticksOf(y.range)) {
    brush.strokeStyle = "#e3e6ea";
    line(brush, box.left, up(tick), box.right, up(tick));
    brush.fillStyle = "#5b6570";
    brush.fillText(shown(tick), box.left - 6, up(tick) + 4);
  }
  brush.save();
  brush.translate(13, (box.top + box.bottom) / 2);
  brush.rotate(-Math.PI / 2);
  brush.textAlign = "center";
  brush.fillStyle = "#1d2530";
  brush.fillText(y.name, 0, 0);
  brush.restore();
  brush.textAlign = "left";
  return [across, up];
}

export function line(brush, x1, y1, x2, y2) {
  brush.beginPath();
  brush.moveTo(x1, y1);
  brush.lineTo(x2, y2);
  brush.stroke();
}

function ticksOf([one, other]) {
  const [low, high] = one < other ? [one, other] : [other, one];
  const step = niceStep(high - low, 7);
  const first = Math.ceil(low / step - 1e-9);
  return Array.from({ length: Math.floor(high / step + 1e-9) - first + 1 }, (_, k) => (first + k) * step);
}
