// Pointers and keys on the picture: a click, a box that is drawn, zooming and moving about.

const CLICK_PX = 6; // that a finger moves in a click
const LEAST_PX = 6; // of the screen, of a drawn box's sides
const STEP_PX = 8; // of the screen, that an arrow key moves a drawn box

/**
 * What one does on a stage.
 *
 * clicked(x, y, event): display pixels. drawn(box): [x, y, width, height], display pixels.
 * movable(): corners of what can be dragged in drawing, or null.
 */
const createHand = (stage, { clicked, drawn, movable }) => {
  const { canvas, view } = stage;
  const pointers = new Map();
  const hand = { tool: null, box: null };
  let [start, pinch] = [null, null];

  const unit = () => 1 / (view.fit * view.zoom);
  const tell = (box) => {
    hand.box = box;
    stage.redraw();
  };
  /** Within the picture, and in the order of its sides. */
  const between = ([x0, y0], [x1, y1]) => {
    const [left, right] = [Math.min(x0, x1), Math.max(x0, x1)].map(
      (x) => Math.min(view.width, Math.max(0, x)));
    const [top, bottom] = [Math.min(y0, y1), Math.max(y0, y1)].map(
      (y) => Math.min(view.height, Math.max(0, y)));
    return [left, top, right - left, bottom - top];
  };
  const finish = () => {
    const { box } = hand;
    tell(null);
    if (box && Math.min(box[2], box[3]) >= LEAST_PX * unit()) drawn(box.map(Math.round));
  };
  const spread = () => {
    const [one, other] = [...pointers.values()];
    const [dx, dy] = [one.clientX - other.clientX, one.clientY - other.clientY];
    const middle = { clientX: (one.clientX + other.clientX) / 2,
      clientY: (one.clientY + other.clientY) / 2 };
    return { apart: Math.hypot(dx, dy), middle };
  };
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    pointers.set(event.pointerId, event);
    canvas.setPointerCapture(event.pointerId);
    if (pointers.size === 2) { // a second finger: no drawing, but zooming
      const { apart, middle } = spread();
      const [x, y] = stage.toPicture(middle);
      pinch = { apart, zoom: view.zoom, x, y };
      start = null;
      tell(null);
      return;
    }
    if (pointers.size > 2) return;
    const at = stage.toPicture(event);
    const held = hand.tool && movable();
    const carried = held && isWithin([held], ...at) ? aroundCorners(held) : null;
    start = { at, event, left: view.left, top: view.top, moved: false, carried };
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!pointers.has(event.pointerId)) return;
    pointers.set(event.pointerId, event);
    if (pinch && pointers.size === 2) {
      const { apart, middle } = spread();
      stage.zoomTo((pinch.zoom * apart) / pinch.apart, pinch.x, pinch.y);
      const [x, y] = stage.toPicture(middle);
      stage.panTo(view.left + pinch.x - x, view.top + pinch.y - y);
      return;
    }
    if (!start) return;
    const [dx, dy] = [event.clientX - start.event.clientX, event.clientY - start.event.clientY];
    if (Math.hypot(dx, dy) > CLICK_PX) start.moved = true;
    if (!start.moved) return;
    if (!hand.tool) {
      stage.panTo(start.left - dx * unit(), start.top - dy * unit());
    } else if (start.carried) {
      const [left, top, right, bottom] = start.carried;
      const [x, y] = [left + dx * unit(), top + dy * unit()];
      tell(between([x, y], [x + right - left, y + bottom - top]));
    } else tell(between(start.at, stage.toPicture(event)));
  });
  const up = (event) => {
    if (!pointers.delete(event.pointerId)) return;
    if (pinch) {
      if (pointers.size === 0) pinch = null;
      return;
    }
    const begun = start;
    start = null;
    if (!begun) return;
    if (event.type === "pointercancel") tell(null);
    else if (!begun.moved) clicked(...begun.at, event);
    else if (hand.tool) finish();
  };
  canvas.addEventListener("pointerup", up);
  canvas.addEventListener("pointercancel", up);
  canvas.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey) return; // the page scrolls
    event.preventDefault();
    stage.zoomTo(view.zoom * Math.exp(-event.deltaY / 300), ...stage.toPicture(event));
  }, { passive: false });

  /** Arrow keys move the box, with Shift they size it, Enter sets it, Escape takes it away. */
  const press = (event) => {
    if (!hand.tool) return false;
    if (event.key === "Escape") {
      hand.take(null);
      return true;
    }
    if (event.key === "Enter") {
      if (hand.box) finish();
      else beginByKeys();
      return true;
    }
    const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (!way || !hand.box) return false;
    const step = STEP_PX * unit();
    let [x, y, width, height] = hand.box;
    if (event.shiftKey) {
      width = Math.min(view.width - x, Math.max(step, width + way[0] * step));
      height = Math.min(view.height - y, Math.max(step, height + way[1] * step));
    } else {
      x = Math.min(view.width - width, Math.max(0, x + way[0] * step));
      y = Math.min(view.height - height, Math.max(0, y + way[1] * step));
    }
    tell([x, y, width, height]);
    return true;
  };
  const beginByKeys = () => {
    const held = movable();
    const [width, height] = [view.width / view.zoom / 6, view.height / view.zoom / 4];
    const middle = [view.left + view.width / view.zoom / 2, view.top + view.height / view.zoom / 2];
    const [left, top, right, bottom] = held ? aroundCorners(held) : [
      middle[0] - width / 2, middle[1] - height / 2, middle[0] + width / 2, middle[1] + height / 2];
    tell(between([left, top], [right, bottom]));
  };
  hand.press = press;
  /** Take a tool in hand, or none; `keys`: with a box at once, for the arrow keys. */
  hand.take = (tool, keys = false) => {
    hand.tool = tool;
    stage.element.classList.toggle("drawing", Boolean(tool));
    if (tool && keys) beginByKeys();
    else tell(null);
  };
  return hand;
};
