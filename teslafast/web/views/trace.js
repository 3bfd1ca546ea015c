/**
 * The small picture of a row: two minutes of speed, now at the right.
 *
 * Law: the scale is the same in all rows, so that they can be compared, and zero is a line.
 */

import { colour, prepareCanvas } from "./dom.js";

const TRACE_MS = 120_000;
export const TRACE_MPH = 80; // at the top

/** `size`: of the canvas, which costs a layout to ask for; the vehicle, at the time `now`. */
export function drawTrace(canvas, size, { trace, behind }, now) {
  const { ctx, width, height } = prepareCanvas(canvas, ...size);
  if (!width) return;
  const floor = height - 1.5;
  ctx.fillStyle = colour("grid");
  ctx.fillRect(0, floor, width, 1);
  if (!trace.size) return;
  const x = (at) => ((at + behind - now + TRACE_MS) / TRACE_MS) * width;
  const y = (speed) => floor - Math.min(1, speed / TRACE_MPH) * (floor - 1.5);
  let first = 0;
  while (first < trace.size - 1 && x(trace.at[first + 1]) < 0) first += 1;
  ctx.beginPath();
  for (let index = first; index < trace.size; index++) ctx.lineTo(x(trace.at[index]), y(trace.speed[index]));
  ctx.lineTo(width - 1, y(trace.speed[trace.size - 1]));
  ctx.strokeStyle = ctx.fillStyle = colour("accent");
  ctx.lineWidth = 1.5;
  ctx.stroke();
  ctx.lineTo(width - 1, floor);
  ctx.lineTo(x(trace.at[first]), floor);
  ctx.globalAlpha = 0.14;
  ctx.fill();
}
