// A photo with a frame around the face that will be used; the others can be chosen instead.

const LEAST = 44; // px, of a button over a small face, where the picture is wide enough

const TALLEST = 70; // percent of the window

const createFacePicker = (parent) => {
  const picture = make("img");
  const stage = make("div", { className: "stage" }, picture);
  const view = { stage, frames: [] };
  parent.append(stage);
  view.show = ({ picture: source, width, height, faces, chosen, texts }) => {
    stage.style.aspectRatio = `${width} / ${height}`;
    stage.style.width = `min(100%, ${(TALLEST * width) / height}vh)`;
    if (picture.getAttribute("src") !== source) picture.src = source;
    picture.alt = texts.picture;
    const only = faces.length === 1;
    const kind = only ? "DIV" : "BUTTON";
    while (view.frames.length > faces.length) view.frames.pop().remove();
    faces.forEach(([left, top, right, bottom], number) => {
      let frame = view.frames[number];
      if (frame?.tagName !== kind) {
        const made = make(kind, only ? {} : { type: "button" }, make("span"));
        made.addEventListener("click", () => only || view.choose(number));
        if (frame) frame.replaceWith(made);
        else stage.append(made);
        view.frames[number] = frame = made;
      }
      const used = number === chosen;
      frame.className = used ? "face used" : "face";
      // The label stands where it hides no face, and where there is room.
      frame.classList.toggle("low", bottom > 0.85 * height);
      const onRight = left + right > width;
      frame.classList.toggle("right", onRight);
      const share = (part, whole) => `${(100 * part) / whole}%`;
      frame.style.left = share((left + right) / 2, width);
      frame.style.top = share((top + bottom) / 2, height);
      frame.style.width = share(right - left, width);
      frame.style.height = share(bottom - top, height);
      frame.style.minWidth = frame.style.minHeight = only ? "0" : `min(${LEAST}px, 12vw)`;
      const label = frame.firstChild;
      say(label, used ? texts.used : String(number + 1));
      show(label, used || !only);
      label.style.maxWidth = share(onRight ? right : width - left, right - left); // to the edge
      if (only) return;
      frame.setAttribute("aria-pressed", String(used));
      const name = fill(texts.use, { n: number + 1 });
      frame.setAttribute("aria-label", used ? `${texts.used}. ${name}` : name);
    });
  };
  return view;
};

export default ({ parentElement, data, setTriggerValue }) => {
  const view = viewIn(parentElement, createFacePicker);
  view.choose = (number) => {
    if (number !== data.chosen) setTriggerValue("chosen", number);
  };
  view.show(data);
};
