// A still, and over it a few seconds of video, again and again, once they have been made.

const createPreview = (parent) => {
  const still = make("img", { className: "preview" });
  const video = make("video", { loop: true, playsInline: true, controls: true, hidden: true });
  video.muted = true; // the attribute alone doesn't count for what a script has made
  const told = make("p", { role: "status" });
  const view = {};
  parent.append(make("div", { className: "still" }, still, video), told);
  const tell = (state) => {
    view.state = state;
    show(video, state === "plays");
    const sentence = { making: view.texts.making, failed: view.texts.failed }[state] ?? "";
    say(told, sentence);
    show(told, sentence !== "");
  };
  video.addEventListener("canplay", () => {
    if (view.state !== "making") return;
    tell("plays");
    if (!calm()) video.play().catch(() => {}); // a browser may want to be asked first
  });
  video.addEventListener("error", () => video.getAttribute("src") && tell("failed"));
  view.show = ({ picture, alt, clip, size, texts }) => {
    view.texts = texts;
    if (still.getAttribute("src") !== picture) still.src = picture;
    still.alt = alt;
    if (size) [still.width, still.height] = size;
    video.setAttribute("aria-label", texts.label);
    if (video.getAttribute("src") === clip) return tell(view.state);
    if (clip) video.src = clip;
    else video.removeAttribute("src"); // nor go on with what was being made
    video.load();
    return tell(clip ? "making" : "still");
  };
  return view;
};

export default ({ parentElement, data }) => {
  viewIn(parentElement, createPreview).show(data);
};
