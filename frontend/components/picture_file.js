// A button for the picture that is drawn over people, and what was wrong with the file chosen.

const createPictureFile = (parent) => {
  const view = {};
  const title = make("h3");
  const about = make("p", { id: "about" });
  const button = make("button", { type: "button", "aria-describedby": "about" });
  const told = make("p", { className: "trouble", role: "status" });
  parent.append(make("section", { className: "picture-file" }, title, button, told, about));
  button.addEventListener("click", () =>
    askForPicture((picture) => {
      say(told, picture === null ? view.texts.refused : "");
      if (picture !== null) view.choose({ picture });
    }));
  view.show = ({ texts }) => {
    view.texts = texts;
    say(title, texts.title);
    say(about, texts.about);
    say(button, texts.choose);
  };
  return view;
};

export default ({ parentElement, data, setTriggerValue }) => {
  const view = viewIn(parentElement, createPictureFile);
  // Once: a state would send the picture with every later event of the page.
  view.choose = (chosen) => setTriggerValue("chosen", chosen);
  view.show(data);
};
