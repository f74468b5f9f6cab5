// Choosing files, and how far they are. What is being sent lives in video_upload.js and
// photo_upload.js; a view attaches to it.

const TALK_EVERY = 10_000; // ms between two announcements of progress
const TALK_STEP = 10; // percent between two announcements of progress
const UNSAID = { when: -Infinity, percent: 0 };

/** A place to drop files, with a button that opens the browser's own chooser. */
const createZone = (multiple, chosen) => {
  const input = make("input", { type: "file", multiple, hidden: true });
  const button = make("button", { type: "button", className: "main" });
  const hint = make("p");
  const zone = make("div", { className: "zone" }, button, hint, input);
  const take = (files) => {
    if (files.length > 0) chosen(multiple ? [...files] : [files[0]]);
  };
  button.addEventListener("click", () => input.click());
  input.addEventListener("change", () => {
    take(input.files);
    input.value = ""; // or the same file could not be chosen again
  });
  let inside = 0; // dragenter of a child comes before dragleave of its parent
  const mark = (change) => {
    inside = change === 0 ? 0 : Math.max(0, inside + change);
    zone.classList.toggle("over", inside > 0);
  };
  zone.addEventListener("dragenter", () => mark(1));
  zone.addEventListener("dragleave", () => mark(-1));
  zone.addEventListener("dragover", (event) => event.preventDefault());
  zone.addEventListener("drop", (event) => {
    event.preventDefault();
    mark(0);
    take(event.dataTransfer.files);
  });
  const tell = (texts, accept, label = texts.choose) => {
    input.accept = accept;
    say(button, label);
    say(hint, texts.drop);
  };
  return { zone, button, tell };
};

const createPhotos = (parent, view) => {
  const { zone, tell } = createZone(true, (files) => {
    const { data } = view;
    view.queue.add(files, data.person, data.project, data.most_bytes);
  });
  const list = make("ul");
  const spoken = make("p", { className: "unseen", role: "status" });
  const rows = new Map();
  parent.append(zone, list, spoken);

  const createRow = (photo) => {
    const name = make("span", { className: "name" }, photo.file.name);
    const bar = make("progress", { max: 1, "aria-label": photo.file.name });
    const told = make("span", { className: "told" });
    const again = make("button", { type: "button" });
    again.setAttribute("aria-description", photo.file.name);
    again.addEventListener("click", () => {
      // It may have failed before there was a project, or with one that is gone.
      photo.project = view.data.project;
      view.queue.begin(photo);
      serve();
    });
    const element = make("li", {}, name, bar, told, again);
    list.append(element);
    return { element, bar, told, again };
  };
  const paint = () => {
    const { data: { texts }, queue } = view;
    const limit = size(texts.language, view.data.most_bytes);
    for (const photo of queue.photos) {
      if (!rows.has(photo)) rows.set(photo, createRow(photo));
      const row = rows.get(photo);
      const failed = photo.phase === "failed";
      row.element.className = photo.phase;
      row.bar.value = photo.file.size ? photo.at / photo.file.size : 0;
      show(row.bar, photo.phase === "sending");
      say(row.told, failed ? fill(texts[photo.reason], { limit }) : texts[photo.phase]);
      say(row.again, texts.try_again);
      show(row.again, failed && !["too_large", "unreadable", "empty"].includes(photo.reason));
    }
    for (const [photo, row] of rows) {
      if (queue.photos.includes(photo)) continue;
      row.element.remove();
      rows.delete(photo);
    }
    const failed = queue.photos.filter(({ phase }) => phase === "failed").length;
    const sent = queue.photos.filter(({ phase }) => phase === "sent").length;
    const all = queue.photos.length;
    const over = all > 0 && !queue.running;
    say(spoken, over ? fill(texts.photos_sent, { sent, all, failed }) : "");
  };
  return () => {
    const { data, queue } = view;
    tell(data.texts, data.accept);
    if (queue.project && !data.project) view.tellProject(queue.project);
    const result = queue.result();
    if (result) view.tellSent(result);
    paint();
  };
};

const createVideo = (parent, view) => {
  const refuse = (file, reason) => {
    Object.assign(view, { refusal: reason, refused: file.name });
    view.paint();
  };
  const begin = (file) => {
    const { data } = view;
    if (file && file.size > data.most_bytes) return refuse(file, "too_large");
    view.refusal = null;
    if (view.upload) {
      view.upload.control.abort();
      shared.videos.delete(view.upload);
    }
    const project = view.upload?.project ?? data.project;
    const upload = new VideoUpload(file, project, file ? {} : data.video);
    shared.videos.add(upload);
    view.attach(upload);
    upload.run();
  };
  const { zone, button, tell } = createZone(false, async ([file]) => {
    const reason = await unusable(file);
    if (reason) refuse(file, reason);
    else begin(file);
  });
  const name = make("p", { className: "name" });
  const told = make("p", { role: "status" });
  const bar = make("progress", { max: 1 });
  const figures = make("p", { className: "figures" });
  const spoken = make("p", { className: "unseen", "aria-live": "polite" });
  const stop = make("button", { type: "button" });
  const again = make("button", { type: "button" });
  parent.append(name, told, bar, figures, make("div", { className: "actions" }, stop, again), zone, spoken);
  stop.addEventListener("click", () => view.upload.stop());
  again.addEventListener("click", () => {
    view.upload.lost = view.upload.url !== null;
    view.upload.run();
  });

  let last = UNSAID;
  view.attach = (upload) => {
    if (upload !== view.upload) last = UNSAID;
    view.upload = upload;
    if (upload) upload.changed = view.paint;
  };
  const announce = (percent) => {
    const when = performance.now();
    if (when - last.when < TALK_EVERY || Math.abs(percent - last.percent) < TALK_STEP) return;
    last = { when, percent };
  };
  const sentence = (percent) => {
    const { upload, refusal, data: { texts, video } } = view;
    const limit = size(texts.language, view.data.most_bytes);
    if (refusal) return fill(texts[refusal], { limit });
    if (upload?.phase === "failed") return fill(texts[upload.reason], { limit });
    if (upload) return fill(upload.phase === "done" ? "" : texts[upload.phase], { percent });
    return video?.state === "uploading" ? fill(texts.arrived_part, { percent }) : "";
  };
  const paint = () => {
    const { upload, data } = view;
    const { texts } = data;
    const { language } = texts;
    if (upload?.project && !data.project) view.tellProject(upload.project);
    if (upload?.phase === "done" && !upload.delivered) {
      upload.delivered = true;
      view.tellSent({ state: upload.state });
    }
    const whole = upload?.size || data.video?.size || 0;
    const at = upload ? upload.at : data.video?.received ?? 0;
    const percent = whole ? Math.floor((100 * at) / whole) : 0;
    const phase = upload?.phase;
    say(told, sentence(percent));
    show(told, told.textContent !== "");
    const trouble = Boolean(view.refusal) || ["away", "crowded", "failed"].includes(phase);
    told.classList.toggle("trouble", trouble);
    const arrived = phase === "done" && data.video?.state === "ready"; // the page names it now
    say(name, view.refusal ? view.refused : arrived ? "" : upload?.file?.name ?? "");
    show(name, name.textContent !== "");
    const partial = !upload && data.video?.state === "uploading";
    const moving = ["starting", "sending", "away", "crowded", "looking", "stopped"].includes(phase);
    show(bar, moving || partial);
    bar.setAttribute("aria-label", texts.progress);
    if (phase === "looking" || phase === "starting") bar.removeAttribute("value");
    else bar.value = whole ? at / whole : 0;
    const parts = [
      fill(texts.percent, { percent }),
      fill(texts.amount, { sent: size(language, at), size: size(language, whole) }),
    ];
    if (phase === "sending" && upload.speed) {
      parts.push(size(language, upload.speed, "-per-second"));
      parts.push(fill(texts.left, { time: duration(language, (whole - at) / upload.speed) }));
    }
    say(figures, parts.join(" · "));
    show(figures, (moving && phase !== "starting" && phase !== "looking") || partial);
    say(stop, texts.stop);
    say(again, phase === "stopped" ? texts.go_on : texts.try_again);
    show(stop, Boolean(upload?.running) && phase !== "looking");
    const futile = ["too_large", "unreadable", "gone"].includes(upload?.reason);
    show(again, phase === "stopped" || (phase === "failed" && !futile));
    show(zone, !upload || ["stopped", "failed", "done"].includes(phase));
    const replaces = phase === "done" || data.video?.state === "ready";
    tell(texts, data.accept, replaces ? texts.choose_other : texts.choose);
    if (phase === "sending") announce(percent);
    // Said again in the language that is chosen meanwhile.
    say(spoken, moving && last.percent ? fill(texts.spoken, { percent: last.percent }) : "");
  };
  view.paint = () => {
    const focused = parent.getRootNode().activeElement;
    paint();
    if (focused && !focused.checkVisibility()) {
      [stop, again, button].find((element) => element.checkVisibility())?.focus();
    }
  };
  return () => {
    const { data } = view;
    view.attach(videoOf(data.project));
    // The page was loaded anew while the service looked at the video, or before it could.
    const { state, received, size: whole, url } = data.video ?? {};
    const arrived = state === "checking" || (state === "uploading" && whole && received >= whole);
    if (!view.upload && arrived && url) begin(null);
    else view.paint();
  };
};

const createUploader = (parent) => {
  const view = { upload: null, queue: null, project: null };
  const sorry = make("p", { role: "alert" });
  const root = make("div", { className: "uploader" });
  let update = null;
  view.show = (data) => {
    const waits = view.data?.project === null; // for the one that is being made
    if (data.project === null && !waits) beginAnew();
    view.data = data;
    show(sorry, missing() !== null);
    say(sorry, data.texts.unsupported);
    if (missing() !== null) return;
    update ??= (data.kind === "photos" ? createPhotos : createVideo)(root, view);
    if (data.kind === "photos") {
      view.queue = queueOf(data.key, data.project);
      view.queue.changed = update;
    }
    acknowledge(data.project);
    update();
  };
  view.tellProject = (project) => {
    if (view.project === project) return;
    view.project = project;
    view.setState("project", project);
  };
  view.leave = () => {
    if (view.queue?.changed === update) view.queue.changed = () => {};
    if (view.upload && view.upload.changed === view.paint) view.upload.changed = () => {};
  };
  guard();
  parent.append(root, sorry);
  return view;
};

export default ({ parentElement, data, setStateValue }) => {
  const view = viewIn(parentElement, createUploader);
  view.setState = setStateValue;
  // Not a trigger: one that arrives while the page is being run for another event can be lost.
  view.tellSent = (result) => setStateValue("sent", { ...result, id: `${Date.now()} ${Math.random()}` });
  view.show(data);
  return view.leave;
};
