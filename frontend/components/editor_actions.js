// What one does to people and masks: by a click on the picture, by menus, and by drawing.

const TOOL_SHAPES = { box: "box", ellipse: "ellipse", always: "box", never: "box" };
const TOOL_ZONES = { always: "mask", never: "keep" };
const LOOK_COLOR = "#202020"; // beneath a picture

/** What can be done with what `core` (editor.js) shows. */
const createActions = (core) => {
  const { texts, tell, nameOf, personOf, momentOf } = core;
  const frame = () => core.stage.frame;
  const add = (edit) => core.doc.add(edit);
  const pictureOf = (person) => person?.picture && core.address(person.picture);
  const inRoot = ({ clientX, clientY }) => {
    const box = core.root.getBoundingClientRect();
    return [clientX - box.left, clientY - box.top];
  };
  /** The span of the video from the frame shown on, until it, or all of it. */
  const during = (way) => {
    if (way === "on" && frame() > 0) return { start: core.secondsOf(frame()) };
    if (way === "until" && frame() < core.count() - 1) return { end: core.secondsOf(frame() + 1) };
    return {};
  };

  // ---- people ----------------------------------------------------------------------------------
  const decide = (id, decision, way) => {
    const person = personOf(id);
    add({ kind: "verdict", who: id, decision, ...during(way) });
    if (person) {
      person.verdict = way === "all" || person.verdict === decision ? decision : "mixed";
      core.gallery.update(person);
    }
    tell(fill(texts()[`did_${decision}_${way}`], { title: nameOf(id), time: momentOf(frame()) }));
  };
  const erase = (who, name) => {
    add({ kind: "erase", who });
    tell(fill(texts().did_erase, { title: name }));
  };
  /** The look of somebody in all of the video, if they have one of their own. */
  const lookOf = (id) => core.doc.edits.findLast(({ kind, who, start, end }) =>
    kind === "look" && who === id && start == null && end == null);
  const dress = (id, picture) => {
    if (picture === null) {
      tell(texts().picture_refused);
      return;
    }
    const edit = { kind: "look", who: id, color: LOOK_COLOR, picture };
    const before = lookOf(id);
    if (before) core.doc.replace(before, edit);
    else add(edit);
    tell(fill(texts().did_picture_over, { title: nameOf(id) }));
  };
  const undress = (id) => {
    core.doc.remove(lookOf(id));
    tell(fill(texts().did_picture_off, { title: nameOf(id) }));
  };
  const lookItems = (id, verdict) => (verdict === "keep" ? [] : [
    { label: texts().picture_over, act: () => askForPicture((picture) => dress(id, picture)) },
    ...(lookOf(id) ? [{ label: texts().picture_off, act: () => undress(id) }] : [])]);
  /** Whoever has a name gives it to both. */
  const merge = (one, other) => {
    const renamed = personOf(other)?.name && !personOf(one)?.name;
    const [first, second] = renamed ? [other, one] : [one, other];
    tell(fill(texts().did_merge, { title: nameOf(first), other: nameOf(second) }));
    add({ kind: "merge", persons: [first, second] });
    core.people = core.people.filter(({ id }) => id !== second);
    core.gallery.show(core.people, texts());
  };
  const openMergeMenu = (id, at, from) => core.menu.open(
    core.people.filter((other) => other.id !== id).map((other) => ({
      label: titleOf(other, texts()), picture: pictureOf(other), act: () => merge(id, other.id),
    })), { name: fill(texts().merge_whom, { title: nameOf(id) }), at, from });
  const openSplit = (person) => core.split.open(
    fill(texts().split_title, { title: nameOf(person.id) }),
    person.tracklets.map((tracklet) => ({
      id: tracklet.id, picture: pictureOf(tracklet),
      label: `${moment(tracklet.start)} – ${moment(tracklet.end)}`,
    })), texts(), (tracklets) => {
      add({ kind: "split", who: person.id, tracklets });
      tell(fill(texts().did_split, { title: nameOf(person.id) }));
    });
  const waysOf = (id, decision) => ["all", "on", "until"].map((way) => ({
    label: texts()[`${decision}_${way}`], look: decision, act: () => decide(id, decision, way),
  }));
  const mergeItem = (id, at, from) => (core.people.length < 2 || !personOf(id) ? [] : [
    // After this menu has closed: the next one takes its place.
    { label: texts().merge, act: () => setTimeout(() => openMergeMenu(id, at, from)) }]);
  const openPersonMenu = (one, at) => {
    const { canvas } = core.stage;
    const everywhere = personOf(one.person)?.verdict === "mixed"
      ? [waysOf(one.person, one.verdict)[0]] : [];
    core.menu.open([
      ...waysOf(one.person, one.verdict === "keep" ? "mask" : "keep"),
      ...everywhere,
      null,
      ...lookItems(one.person, one.verdict),
      ...mergeItem(one.person, at, canvas),
      { label: texts().erase, act: () => erase(one.tracklet, nameOf(one.person)) },
    ], { name: `${nameOf(one.person)}: ${texts()[`verdict_${one.verdict}`]}`, at, from: canvas });
  };
  /** The menu of a card: its switch decides for the whole video, this for a part of it. */
  const openCardMenu = (person, from) => {
    const [box, about] = [from.getBoundingClientRect(), core.root.getBoundingClientRect()];
    const at = [box.right - about.left - 240, box.bottom - about.top];
    const splits = person.tracklets?.length > 1
      ? [{ label: texts().split, act: () => openSplit(person) }] : [];
    core.menu.open([
      ...["keep", "mask"].flatMap((decision) => waysOf(person.id, decision).slice(1)),
      null,
      ...lookItems(person.id, person.verdict),
      ...mergeItem(person.id, at, from),
      ...splits,
      { label: texts().erase, act: () => erase(person.id, nameOf(person.id)) },
    ], { name: `${nameOf(person.id)}, ${momentOf(frame())}`, at, from });
  };
  /** By keys: who is in this frame, and then what to do about them. */
  const openHere = () => {
    const at = [16, 16];
    const here = core.peopleAt(frame()).sort((one, other) =>
      other.box[3] - other.box[1] - (one.box[3] - one.box[1]));
    if (!here.length) return;
    core.menu.open(here.map((one) => ({
      label: `${nameOf(one.person)}: ${texts()[`verdict_${one.verdict}`]}`, look: one.verdict,
      picture: pictureOf(personOf(one.person)),
      act: () => setTimeout(() => {
        core.choose({ person: one.person });
        openPersonMenu(one, at);
      }),
    })), { name: texts().here, at, from: core.stage.canvas });
  };

  // ---- masks and areas -------------------------------------------------------------------------
  const shapeOf = ([x, y, width, height], tool) =>
    ({ kind: TOOL_SHAPES[tool] ?? "box", x, y, width, height });
  const addMask = (edit) => {
    core.tracks.follow(edit);
    add(edit);
    core.choose({ edit });
    tell(fill(texts().did_mask, { time: momentOf(frame()) }));
  };
  const addZone = (decision, shape) => {
    const edit = { kind: "zone", decision, shape };
    core.take(null);
    add(edit);
    core.choose({ edit });
    tell(texts()[`did_zone_${decision}`]);
  };
  /** One mask passes through another place as well. */
  const addKey = (before, key) => {
    const here = core.keyAt(before, frame());
    const keys = [...before.keys.filter((other) => other !== here), key]
      .sort((one, other) => one.seconds - other.seconds);
    const edit = { ...before, keys };
    core.tracks.follow(edit, before);
    core.doc.replace(before, edit);
    core.choose({ edit });
    tell(fill(texts().did_key, { time: momentOf(frame()) }));
  };
  /** Whether a box corrects the chosen mask: in its shot, and in a frame of its keys over it. */
  const corrects = (edit, [x, y, width, height]) => {
    if (!edit || !isDrawn(edit)) return false;
    const shot = core.shotOf(frame());
    if (!edit.keys.some((key) => core.shotOf(core.frameOfKey(key)) === shot)) return false;
    const key = core.keyAt(edit, frame());
    if (!key) return true;
    const [left, top, right, bottom] = aroundCorners(cornersOf(key.shape));
    return x < right && left < x + width && y < bottom && top < y + height;
  };
  /** A box was drawn with a tool: [x, y, width, height]. */
  const draw = (box, tool) => {
    const shape = shapeOf(box, tool);
    const key = { seconds: core.secondsOf(frame()), shape };
    const chosen = core.chosen?.edit;
    if (TOOL_ZONES[tool]) addZone(TOOL_ZONES[tool], shape);
    else if (corrects(chosen, box)) addKey(chosen, key);
    else addMask({ kind: "mask", keys: [key], follow: true });
  };
  const removeChosen = () => {
    const edit = core.chosen?.edit;
    if (!edit) return;
    core.choose(null);
    core.doc.remove(edit);
    tell(texts().did_remove);
  };
  /** A mask or area counts only from the frame shown on, or until it. */
  const bound = (before, way) => {
    const { start, end, ...rest } = before;
    const other = way === "on" ? { end } : { start };
    const edit = { ...rest, ...other, ...during(way) };
    if (isDrawn(edit)) core.tracks.follow(edit, before);
    core.doc.replace(before, edit);
    core.choose({ edit });
  };
  /** What was drawn isn't masked, but a part of somebody who is kept. */
  const give = (before, person) => {
    const edit = { ...before, kind: "own", who: person };
    core.tracks.follow(edit, before);
    core.doc.replace(before, edit);
    core.choose({ edit });
    tell(fill(texts().did_own, { title: nameOf(person) }));
  };
  const openEditMenu = (edit, at) => {
    const kept = core.peopleAt(frame()).filter(({ verdict }) => verdict === "keep");
    core.menu.open([
      ...(isDrawn(edit) ? [{ label: texts().correct, act: () => core.take("box") }] : []),
      ...(edit.kind === "mask" ? [...new Set(kept.map(({ person }) => person))] : [])
        .map((person) => ({ label: fill(texts().own, { title: nameOf(person) }), look: "keep",
          act: () => give(edit, person) })),
      { label: texts().edit_on, act: () => bound(edit, "on") },
      { label: texts().edit_until, act: () => bound(edit, "until") },
      null,
      { label: texts().remove, act: removeChosen },
    ], { name: texts()[isDrawn(edit) ? "legend_drawn" : "zone_chosen"], at, from: core.stage.canvas });
  };

  /** A click on the picture: on a person, on a mask, on an area, or on nothing. */
  const click = (x, y, event) => {
    const { view } = core.stage;
    const unit = 1 / (view.fit * view.zoom);
    const hittable = ({ corners, edit }) =>
      ({ edit, box: aroundCorners(corners), outlines: [corners] });
    const masks = core.masksAt(frame()).map(hittable);
    const found = hitPerson([...core.peopleAt(frame()), ...masks], x, y, unit) ??
      hitPerson(core.zonesAt(frame()).map(hittable), x, y, unit);
    core.choose(found && (found.edit ? { edit: found.edit } : { person: found.person }));
    if (!found) return;
    if (found.edit) openEditMenu(found.edit, inRoot(event));
    else openPersonMenu(found, inRoot(event));
  };
  return {
    decide, merge, openCardMenu, openHere, shapeOf, addMask, draw, removeChosen, click,
  };
};
