// A link to somebody's result, and a button that copies it.

const createShare = (parent) => {
  const view = {};
  const field = make("input", { type: "text", readOnly: true });
  const copy = make("button", { type: "button" });
  const copied = make("span", { role: "status" });
  parent.append(make("div", { className: "share" }, field, copy, copied));
  field.addEventListener("focus", () => field.select());
  copy.addEventListener("click", async () => {
    const done = await navigator.clipboard?.writeText(field.value).then(() => true, () => false);
    if (!done) {
      field.select(); // without https, browsers give no clipboard
      document.execCommand("copy");
    }
    say(copied, "");
    say(copied, view.texts.copied);
  });
  view.show = ({ query, texts }) => {
    view.texts = texts;
    field.value = `${location.origin}${location.pathname}?${query}`;
    field.setAttribute("aria-label", texts.link);
    say(copy, texts.copy);
  };
  return view;
};

export default ({ parentElement, data }) => {
  viewIn(parentElement, createShare).show(data);
};
