// A video with the browser's own controls, or a sentence where it can't be shown.

const createPlayer = (parent) => {
  const video = make("video", { controls: true, playsInline: true, preload: "metadata" });
  const sentence = make("p", { className: "instead" });
  const again = make("button", { type: "button" });
  const instead = make("div", { role: "alert", hidden: true }, sentence, again);
  const view = { video };
  again.addEventListener("click", () => {
    show(instead, false);
    show(video, true);
    video.load();
    video.focus();
  });
  watchVideo(video, (why) => {
    view.why = why;
    show(video, false);
    view.tell();
    show(instead, true);
  });
  view.tell = () => {
    say(sentence, view.why ? view.texts[view.why] : "");
    say(again, view.texts.try_again);
    show(again, view.why === "away");
  };
  parent.append(video, instead);
  view.show = ({ src, poster, texts }) => {
    view.texts = texts;
    video.setAttribute("aria-label", texts.label);
    if (poster) video.poster = poster;
    if (video.getAttribute("src") !== src) {
      view.why = null;
      show(instead, false);
      show(video, true);
      video.src = src;
    }
    view.tell();
  };
  return view;
};

export default ({ parentElement, data }) => {
  viewIn(parentElement, createPlayer).show(data);
};
