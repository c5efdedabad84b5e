// A sheet of paper for one line. `props.value` is what was drawn, as JSON:
// {"width": W, "height": H, "strokes": [[x0, y0, x1, y1, ...], ...]} in CSS pixels; "" when empty.
const PEN_WIDTH = 3; // as in app_input.py
const canvas = element.querySelector("canvas");
const placeholder = element.querySelector(".hwr-placeholder");
const context = canvas.getContext("2d");
let strokes = [];
let stroke = null; // the one being drawn
let pen = null; // pointerId of what draws it; a palm beside it is another pointer

function redraw() {
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.round(canvas.clientWidth * ratio);
  canvas.height = Math.round(canvas.clientHeight * ratio);
  context.scale(ratio, ratio);
  context.lineWidth = PEN_WIDTH;
  context.lineCap = context.lineJoin = "round";
  context.strokeStyle = "#111111";
  for (const points of strokes) {
    context.beginPath();
    context.moveTo(points[0], points[1]);
    for (let i = 0; i < points.length; i += 2) context.lineTo(points[i], points[i + 1]);
    context.stroke();
  }
  placeholder.hidden = strokes.length > 0;
}

function publish() {
  const sides = { width: canvas.clientWidth, height: canvas.clientHeight };
  props.value = strokes.length ? JSON.stringify({ ...sides, strokes }) : "";
}

function add(event) {
  const box = canvas.getBoundingClientRect();
  const coalesced = event.getCoalescedEvents ? event.getCoalescedEvents() : [];
  for (const point of coalesced.length ? coalesced : [event]) {
    for (const at of [point.clientX - box.left, point.clientY - box.top]) {
      stroke.push(Math.round(at * 10) / 10);
    }
  }
}

function draws(event) {
  return stroke && event.pointerId === pen;
}

function finish(event) {
  if (!draws(event)) return;
  stroke = null;
  publish();
}

canvas.addEventListener("pointerdown", (event) => {
  if (stroke || event.button !== 0) return;
  canvas.setPointerCapture(event.pointerId);
  pen = event.pointerId;
  stroke = [];
  strokes.push(stroke);
  add(event);
  redraw();
});
canvas.addEventListener("pointermove", (event) => {
  if (!draws(event)) return;
  add(event);
  redraw();
});
canvas.addEventListener("pointerup", finish);
canvas.addEventListener("pointercancel", finish);

element.querySelector("[data-action=undo]").addEventListener("click", () => {
  strokes.pop();
  redraw();
  publish();
});
element.querySelector("[data-action=clear]").addEventListener("click", () => {
  strokes = [];
  redraw();
  publish();
});
new ResizeObserver(redraw).observe(canvas);
