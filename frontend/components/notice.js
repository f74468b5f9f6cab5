// The button that asks to be told when the job has ended.

const createNotice = (parent) => {
  const view = {};
  const button = make("button", { type: "button" });
  const told = make("p", { role: "status" });
  parent.append(make("div", { className: "notice" }, button, told));
  button.addEventListener("click", async () => {
    // Only here: a page that asks by itself is refused for good.
    await Promise.resolve(window.Notification?.requestPermission()).catch(() => null);
    noticeAsked(view.data.project, true);
    view.paint();
  });
  view.paint = () => {
    const { texts, project } = view.data;
    const asked = noticeAsked(project);
    say(button, texts.ask);
    show(button, !asked);
    say(told, asked ? (noticeAllowed() ? texts.on : texts.title_only) : "");
    show(told, asked);
  };
  view.show = (data) => {
    view.data = data;
    view.paint();
  };
  return view;
};

export default ({ parentElement, data }) => {
  viewIn(parentElement, createNotice).show(data);
};
