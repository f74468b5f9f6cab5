// The review player: everyone's outline over the video, kept or masked by a click, mended by hand.

const TELL_PYTHON_MS = 400;
const PEOPLE_AGAIN_MS = 250;
const LOAD_AGAIN_MS = 3000;
const FOLLOW_LATER_MS = 300;
const ZOOM_STEP = 1.5;
const LEAP_FRAMES = 10; // of an arrow key with Shift
const TOOLS = ["box", "ellipse", "always", "never"];

const createEditor = (parent) => {
  const editor = { texts: {}, base: null, checked: null, changed: () => {} };
  const root = make("div", { className: "editor" });
  const timers = {};
  let [findings, actions, opened] = [null, null, 0];

  // What the parts share: the video's `info`, everyone, the check's findings, the verdicts by hand,
  // and who or which edit is `chosen`; `doc`, `frames` and `tracks` once there is an analysis.
  const core = {
    root, info: null, people: [], findings: [], verdicts: createVerdicts([]), chosen: null,
    doc: null, frames: null, tracks: null,
    texts: () => editor.texts,
    address: (path) => `/service${path.replace(/^\/v1/, "")}`,
    count: () => core.info.times.length - 1,
    secondsOf: (frame) => core.info.times[frame] - core.info.times[0],
    frameOf: (seconds) => frameAt(core.info.times, seconds), // of a player's seconds
    frameOfKey: ({ seconds }) => core.frameOf(seconds + core.info.times[0]),
    shotOf: (frame) => core.info.shots.find(([first, end]) => first <= frame && frame < end),
    momentOf: (frame) => moment(core.info.times[frame], 2),
    personOf: (id) => core.people.find((person) => person.id === id),
    nameOf: (id) => titleOf(core.personOf(id) ?? { id, name: null }, editor.texts),
    tell: (text) => say(bars.status, text),
    choose: (chosen) => {
      core.chosen = chosen;
      core.gallery.choose(chosen?.person ?? null);
      paintTools();
      paintStrip();
      core.stage.redraw();
    },
    showStage: () => core.stage.element.scrollIntoView(
      { block: "nearest", behavior: calm() ? "auto" : "smooth" }),
    /** Take a tool in hand; the same again, or null: none. `keys`: with a box for arrow keys. */
    take: (tool, keys = false) => {
      if (tool === null || hand.tool === tool) hand.take(null);
      else {
        core.stage.pause();
        hand.take(tool, keys);
        core.tell(editor.texts[keys ? "draw_keys" : core.chosen?.edit ? "draw_again" : "draw_how"]);
        if (keys) core.stage.canvas.focus();
      }
      paintTools();
    },
  };

  // ---- what is shown ---------------------------------------------------------------------------
  core.peopleAt = (frame) => {
    const found = core.frames.at(frame);
    if (!found) return [];
    const settled = core.frames.fresh(frame) && !core.doc.unsaved;
    return found.people.flatMap((one) => {
      const person = core.verdicts.known(one.person ?? one.tracklet);
      const decision = settled ? null : core.verdicts.at(one, core.secondsOf(frame));
      if (decision === "erased") return [];
      const verdict = decision ?? (settled ? one.verdict : one.base ?? one.verdict);
      const here = { ...one, person, verdict, doubtful: one.doubtful && decision === null };
      return [{ ...here, look: lookOf(here), chosen: core.chosen?.person === person }];
    });
  };
  core.keyAt = (edit, frame) =>
    edit.keys.find((key) => core.frameOfKey(key) === frame);
  core.masksAt = (frame) => core.doc.edits.flatMap((edit) => {
    if (!isDrawn(edit) || !countsAt(edit, core.secondsOf(frame))) return [];
    const key = core.keyAt(edit, frame);
    const corners = key ? cornersOf(key.shape) : core.tracks.at(edit, frame);
    return corners ? [{ edit, corners, key: Boolean(key), chosen: isChosen(edit) }] : [];
  });
  core.zonesAt = (frame) => core.doc.edits
    .filter((edit) => edit.kind === "zone" && countsAt(edit, core.secondsOf(frame)))
    .map((edit) => ({ edit, corners: cornersOf(edit.shape), decision: edit.decision }));
  const isChosen = (edit) =>
    Boolean(core.chosen?.edit) && canonical(core.chosen.edit) === canonical(edit);
  const ready = () => core.info !== null && core.doc !== null;

  const paint = (context, view) => {
    if (!ready()) return;
    const { frame } = core.stage;
    const here = core.findings.filter((one) => one.frame === frame && one.box);
    paintFrame(context, view, {
      people: core.peopleAt(frame),
      drawn: core.masksAt(frame),
      zones: core.zonesAt(frame),
      boxes: here.filter((finding) => !findings.isTicked(finding)).map(({ box }) => box),
      pending: hand.box && cornersOf(actions.shapeOf(hand.box, hand.tool)),
    });
  };
  const framed = (frame) => {
    if (!ready()) return;
    core.frames.want(frame);
    const spoken = `${core.momentOf(frame)} / ${moment(core.info.times.at(-1), 2)}`;
    say(bars.time, spoken);
    strip.move(frame, spoken);
    followLater();
    if (core.menu.shown) core.menu.close(false);
  };
  const paintTools = () => {
    const { doc, tracks } = core;
    for (const tool of TOOLS) bars.tools.press(tool, hand.tool === tool);
    bars.tools.enable("undo", Boolean(doc?.canUndo));
    bars.tools.enable("redo", Boolean(doc?.canRedo));
    const edit = core.chosen?.edit;
    show(bars.tray, Boolean(edit));
    if (!edit) return;
    const followed = tracks.running(edit) ? "following" : "followed";
    const sentence = { mask: followed, own: "own_chosen", zone: "zone_chosen" }[edit.kind];
    const at = isDrawn(edit) ? edit.keys[0].seconds : 0;
    say(bars.told, fill(editor.texts[sentence], { time: moment(at + core.info.times[0], 2),
      n: tracks.count(edit), title: edit.who ? core.nameOf(edit.who) : "" }));
  };
  const paintStrip = () => {
    if (!ready()) return;
    const { shots } = core.info;
    const span = ({ start, end }) => [core.frameOf(start), core.frameOf(end)];
    const shotOf = (key) => core.shotOf(core.frameOfKey(key)) ?? [0, 0];
    strip.show({
      count: core.count(), frame: core.stage.frame, shots,
      spans: core.personOf(core.chosen?.person)?.spans
        .map((one) => ({ span: span(one), look: lookOf(one) })) ?? [],
      doubtful: core.people.flatMap(({ spans }) =>
        spans.filter(({ doubtful }) => doubtful).map(span)),
      drawn: core.doc.edits.filter(isDrawn)
        .flatMap(({ keys }) => keys.map(shotOf)),
      findings: core.findings.map((finding) => (
        { frame: finding.frame, ticked: findings.isTicked(finding), finding })),
    });
  };
  const paintAll = () => {
    if (!ready()) return;
    paintTools();
    paintStrip();
    core.places.show(findings.list(), editor.texts);
    core.stage.redraw();
  };

  // ---- parts -----------------------------------------------------------------------------------
  core.stage = createStage({
    framed, paint,
    playing: (playing) => bars.play(playing, editor.texts),
    stills: (whether) => {
      if (whether) core.tell(editor.texts.stills);
      bars.transport.show("sound", false); // a copy has none
    },
  });
  core.places = createPlaces();
  core.gallery = createPeople({
    address: core.address,
    decide: (person, decision) => actions.decide(person.id, decision, "all"),
    find: (person) => findPerson(person),
    watch: (person) => clip.open(core.address(person.clip), core.nameOf(person.id)),
    menu: (person, from) => actions.openCardMenu(person, from),
    merge: (one, other) => actions.merge(one, other),
  });
  core.menu = createMenu(root);
  core.split = createSplit();
  const clip = createClip();
  const strip = createStrip({
    went: (frame) => core.stage.seek(frame), chose: (finding) => findings.goTo(finding),
  });
  const hand = createHand(core.stage, {
    clicked: (x, y, event) => {
      if (!ready()) return;
      core.stage.pause();
      actions.click(x, y, event);
    },
    drawn: (box) => actions.draw(box, hand.tool),
    movable: () => {
      const drawn = core.masksAt(core.stage.frame).find(({ chosen }) => chosen);
      return drawn ? drawn.corners : null;
    },
  });
  const step = (by) => core.stage.seek(core.stage.frame + by);
  const toggle = () => (core.stage.playing ? core.stage.pause() : core.stage.play());
  const zoom = (by) => core.stage.zoomTo(core.stage.view.zoom * by);
  const bars = createBars({
    back: () => step(-1), on: () => step(1), play: toggle,
    previous: () => findings.jump(-1), next: () => findings.jump(1),
    smaller: () => zoom(1 / ZOOM_STEP), larger: () => zoom(ZOOM_STEP),
    sound: () => {
      core.stage.mute(!core.stage.muted);
      bars.transport.press("sound", !core.stage.muted);
    },
    // Pressed by a key, and not clicked, it begins with a box.
    ...Object.fromEntries(TOOLS.map((tool) =>
      [tool, ({ detail }) => ready() && core.take(tool, detail === 0)])),
    undo: () => core.doc?.undo(), redo: () => core.doc?.redo(),
    remove: () => actions.removeChosen(),
    done: () => {
      core.take(null);
      core.choose(null);
    },
  });
  const away = make("p", { className: "away", role: "alert", hidden: true });
  root.append(
    make("div", { className: "player" }, core.stage.element, bars.transport.element, strip.element,
      ...bars.elements, away),
    make("div", { className: "beside" }, core.places.element, core.gallery.element),
    clip.dialog, core.split.dialog,
  );
  parent.append(root);
  findings = createFindings(core);
  actions = createActions(core);
  core.addMask = actions.addMask;

  /** Where somebody is longest, and first where it is doubtful who it is. */
  const findPerson = (person) => {
    const [span] = [...person.spans].sort((one, other) =>
      Number(other.doubtful) - Number(one.doubtful) ||
      other.end - other.start - (one.end - one.start));
    core.choose({ person: person.id });
    if (span) core.stage.seek(core.frameOf((span.start + span.end) / 2));
    core.showStage();
  };
  /** Drawn masks of this shot that came with the document: where they go isn't known yet. */
  const followHere = () => {
    timers.follow = null;
    if (!ready() || core.stage.playing) return;
    const shot = core.shotOf(core.stage.frame);
    const masks = core.doc.edits.filter(isDrawn);
    if (!shot || masks.some(core.tracks.running)) return;
    const next = masks.find((edit) => !core.tracks.known(edit) &&
      edit.keys.some((key) => core.shotOf(core.frameOfKey(key)) === shot));
    if (next) core.tracks.follow(next);
  };
  const followLater = () => { timers.follow ??= setTimeout(followHere, FOLLOW_LATER_MS); };

  // ---- the service -----------------------------------------------------------------------------
  const ask = async (path, missing) => {
    const answer = await fetch(`${editor.base}/${path}`, { cache: "no-store" });
    if (answer.status === 404 && missing !== undefined) return missing;
    if (!answer.ok) throw new Error(String(answer.status));
    return answer.json();
  };
  const loadPeople = async () => {
    const asked = opened;
    const { people } = await ask("people", { people: [] });
    if (asked !== opened) return;
    core.people = people;
    core.gallery.show(people, editor.texts);
    paintAll();
  };
  const loadFindings = async () => {
    const found = editor.checked ? (await ask("audit.json", { findings: [] })).findings : [];
    core.findings = found.filter(({ frame }) => frame != null)
      .map((finding, number) => ({ box: null, ...finding, id: `finding-${number}` }));
  };
  const tellPython = () => {
    clearTimeout(timers.python);
    timers.python = setTimeout(() => editor.changed(core.doc.unsaved), TELL_PYTHON_MS);
  };
  const inEnglish = (detail) => (editor.texts.language === "en" && detail ? ` ${detail}` : "");
  const warn = (text) => {
    say(away, text);
    show(away, Boolean(text));
  };
  const documentCalls = {
    changed: () => {
      core.verdicts = createVerdicts(core.doc.edits);
      if (core.chosen?.edit && placeOf(core.doc.edits, core.chosen.edit) < 0) core.chosen = null;
      core.tracks.keep(core.doc.edits);
      followLater();
      paintAll();
    },
    saved: () => {
      core.frames.refresh();
      clearTimeout(timers.people);
      timers.people = setTimeout(() => loadPeople().catch(() => {}), PEOPLE_AGAIN_MS);
      tellPython();
    },
    refused: ({ detail }) => {
      core.tell(editor.texts.refused + inEnglish(detail));
      loadPeople().catch(() => {});
      tellPython();
    },
    waiting: (whether) => {
      warn(whether ? editor.texts.unsaved : "");
      if (whether) tellPython();
    },
  };
  const open = async () => {
    opened += 1;
    const asked = opened;
    core.doc?.close();
    core.frames?.close();
    try {
      const info = await ask("frames/times", null);
      if (asked !== opened) return;
      if (info === null) { // nothing has been analysed
        core.gallery.show([], editor.texts);
        return;
      }
      core.info = info;
      core.tracks = createTracks(`${editor.base}/track`, {
        moved: () => {
          followLater();
          paintTools();
          core.stage.redraw();
        },
        failed: (detail) => core.tell(editor.texts.track_failed + inEnglish(detail)),
      });
      core.doc = createDocument(`${editor.base}/edits`, documentCalls);
      core.frames = createFrames(`${editor.base}/frames`, core.count(), {
        loaded: () => core.stage.redraw(),
        decided: (one, frame) => core.verdicts.at(one, core.secondsOf(frame)),
      });
      await Promise.all([core.doc.load(), loadFindings(), loadPeople()]);
      if (asked !== opened) return;
      warn("");
      core.stage.open({
        ...info,
        src: editor.video,
        pictures: `${editor.base}/frames`,
        copy: `${editor.base}/video/proxy`,
      });
      framed(core.stage.frame);
      paintAll();
    } catch {
      if (asked !== opened || !parent.isConnected) return;
      warn(editor.texts.away);
      setTimeout(() => asked === opened && parent.isConnected && open(), LOAD_AGAIN_MS);
    }
  };

  // ---- keys ------------------------------------------------------------------------------------
  const KEYS = {
    ",": () => step(-1), ".": () => step(1),
    "[": () => findings.jump(-1), "]": () => findings.jump(1),
    "+": () => zoom(ZOOM_STEP), "=": () => zoom(ZOOM_STEP), "-": () => zoom(1 / ZOOM_STEP),
    0: () => core.stage.zoomTo(1),
    b: () => core.take("box", true), o: () => core.take("ellipse", true), k: toggle,
  };
  const ARROWS = {
    ArrowLeft: ({ shiftKey }) => step(shiftKey ? -LEAP_FRAMES : -1),
    ArrowRight: ({ shiftKey }) => step(shiftKey ? LEAP_FRAMES : 1),
  };
  const ON_CANVAS = {
    " ": toggle, Enter: () => actions.openHere(), Delete: () => actions.removeChosen(),
    Home: () => core.stage.seek(0), End: () => core.stage.seek(core.count() - 1),
    Escape: () => core.choose(null),
  };
  const WITH_CONTROL = {
    z: ({ shiftKey }) => (shiftKey ? core.doc.redo() : core.doc.undo()), y: () => core.doc.redo(),
  };
  root.addEventListener("keydown", (event) => {
    if (!ready() || event.altKey) return;
    const control = event.ctrlKey || event.metaKey;
    const [onCanvas, onInput] = [event.target === core.stage.canvas, event.target.tagName === "INPUT"];
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const acts = control ? WITH_CONTROL
      : { ...KEYS, ...(onInput ? {} : ARROWS), ...(onCanvas ? ON_CANVAS : {}) };
    if (onCanvas && !control && hand.press(event)) paintTools();
    else if (acts[key]) acts[key](event);
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  // Whoever leaves before all is saved is asked by the browser.
  window.addEventListener("beforeunload", (event) => {
    if (core.doc?.unsaved) event.preventDefault();
  });

  editor.show = (data) => {
    const again = editor.base !== data.base || editor.checked !== data.checked;
    Object.assign(editor, data);
    bars.tell(data.texts);
    bars.play(core.stage.playing, data.texts);
    clip.tell(data.texts);
    core.stage.canvas.setAttribute("aria-label", data.texts.picture_label);
    strip.slider.setAttribute("aria-label", data.texts.position);
    if (again) open();
    else if (ready()) {
      core.gallery.show(core.people, data.texts);
      paintAll();
    }
  };
  return editor;
};

export default ({ parentElement, data, setStateValue }) => {
  const editor = viewIn(parentElement, createEditor);
  // As a state, for a run that another click ends has lost an event.
  editor.changed = (unsaved) => setStateValue("edits", { at: Date.now(), unsaved });
  editor.show(data);
};
