// What is drawn over the picture, and what is there at a place of it.

const COLOURS = {
  keep: "#3ddc84", mask: "#9db4cf", doubtful: "#ffb020", drawn: "#ff7ad9", zone: "#c9a7ff",
  finding: "#ff5d5d",
};
const DASHES = { mask: [6, 4], doubtful: [2, 3] }; // told apart without colours, too
const SMALL_PX = 90; // of the screen: thin lines, or nothing is seen of a small figure
const NEAR_PX = 8; // of the screen: a finger or an unsteady hand beside an outline

const trace = (context, corners) => {
  context.moveTo(corners[0], corners[1]);
  for (let at = 2; at < corners.length; at += 2) context.lineTo(corners[at], corners[at + 1]);
  context.closePath();
};

/** Draw outlines on any ground: a dark line below a coloured one. */
const stroke = (context, unit, colour, { dash = [], width = 2, fill = null } = {}) => {
  if (fill) {
    context.fillStyle = fill;
    context.fill();
  }
  context.setLineDash([]);
  context.lineWidth = 2 * width * unit;
  context.strokeStyle = "rgb(0 0 0 / 55%)";
  context.stroke();
  context.setLineDash(dash.map((length) => length * unit));
  context.lineWidth = width * unit;
  context.strokeStyle = colour;
  context.stroke();
};

/** How somebody is drawn: whoever is in doubt is masked, and said to be in doubt. */
const lookOf = ({ verdict, doubtful }) =>
  verdict === "keep" ? "keep" : doubtful ? "doubtful" : "mask";

/**
 * Draw a frame's people, masks, zones and findings.
 *
 * people: [{outlines, look, chosen}]; drawn: [{corners, chosen, key, edit}]; zones: [{corners, decision}];
 * boxes: of findings; pending: corners of what is just being drawn.
 */
const paintFrame = (context, { fit, zoom }, { people, drawn, zones, boxes, pending }) => {
  const unit = 1 / (fit * zoom); // a pixel of the screen
  context.lineJoin = "round";
  for (const look of ["mask", "doubtful", "keep"]) {
    for (const small of [true, false]) {
      const these = people.filter(({ look: own, box }) =>
        own === look && (box[3] - box[1] < SMALL_PX * unit) === small);
      if (!these.length) continue;
      context.beginPath();
      for (const { outlines } of these) for (const ring of outlines) trace(context, ring);
      stroke(context, unit, COLOURS[look], { dash: DASHES[look], width: small ? 1 : 2 });
    }
  }
  for (const { outlines, look, chosen } of people) {
    if (!chosen) continue;
    context.beginPath();
    for (const ring of outlines) trace(context, ring);
    stroke(context, unit, COLOURS[look], { width: 2, fill: `${COLOURS[look]}44` });
  }
  for (const { corners, decision } of zones) {
    context.beginPath();
    trace(context, corners);
    const colour = decision === "keep" ? COLOURS.keep : COLOURS.zone;
    stroke(context, unit, colour, { dash: [10, 4], fill: decision === "keep" ? null : `${colour}33` });
  }
  for (const { corners, chosen, key, edit } of drawn) {
    context.beginPath();
    trace(context, corners);
    const colour = edit.kind === "own" ? COLOURS.keep : COLOURS.drawn;
    stroke(context, unit, colour, { dash: key ? [] : [8, 3],
      fill: chosen ? `${colour}33` : null });
  }
  for (const [left, top, right, bottom] of boxes) {
    context.beginPath();
    context.rect(left, top, right - left, bottom - top);
    stroke(context, unit, COLOURS.finding, { dash: [3, 3] });
  }
  if (pending) {
    context.beginPath();
    trace(context, pending);
    stroke(context, unit, "#ffffff", { width: 2, fill: `${COLOURS.drawn}55` });
  }
};

/** Whether a place is within rings of corners, by the even-odd rule. */
const isWithin = (rings, x, y) => {
  let inside = false;
  for (const ring of rings) {
    for (let at = 0, from = ring.length - 2; at < ring.length; from = at, at += 2) {
      const [x0, y0, x1, y1] = [ring[from], ring[from + 1], ring[at], ring[at + 1]];
      if (y0 > y !== y1 > y && x < ((x1 - x0) * (y - y0)) / (y1 - y0) + x0) inside = !inside;
    }
  }
  return inside;
};

const areaOf = (rings) => {
  let twice = 0;
  for (const ring of rings) {
    for (let at = 0, from = ring.length - 2; at < ring.length; from = at, at += 2) {
      twice += ring[from] * ring[at + 1] - ring[at] * ring[from + 1];
    }
  }
  return Math.abs(twice) / 2;
};

const ringsOf = ({ outlines, box: [left, top, right, bottom] }) =>
  (outlines.length ? outlines : [[left, top, right, top, right, bottom, left, bottom]]);

/** Whom a click means: the smallest outline it is in, or else one whose box it is beside. */
const hitPerson = (people, x, y, unit) => {
  const smallest = (found) => found.reduce(
    (best, one) => (best && best.area <= one.area ? best : one), null)?.one ?? null;
  const near = NEAR_PX * unit;
  const about = people.filter(({ box: [left, top, right, bottom] }) =>
    left - near <= x && x <= right + near && top - near <= y && y <= bottom + near);
  const sized = (one) => ({ one, area: areaOf(ringsOf(one)) });
  const within = about.filter((one) => isWithin(ringsOf(one), x, y)).map(sized);
  if (within.length) return smallest(within);
  const beside = about.filter((one) =>
    [[near, 0], [-near, 0], [0, near], [0, -near]].some(
      ([dx, dy]) => isWithin(ringsOf(one), x + dx, y + dy)));
  return smallest(beside.map(sized));
};
