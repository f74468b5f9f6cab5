// Where one should look: what the check found, and where it is doubtful who somebody is.

const FINDING_MARGIN = 0.1; // of a finding's sides, that a mask over it is larger
const ONE_DOUBT_SECONDS = 0.5; // between two spans of doubt that are one place to look at
const TICK_SECONDS = 1e-3; // within which a tick means a finding
const FINDING_WORDS = { "unmasked": "person", "visible person": "person", "visible face": "face",
  "weak mask": "weak", "recognisable": "recognisable" };

/** Where it is doubtful who somebody is; spans that nearly touch are one. */
const doubtsOf = ({ spans }) => {
  const found = [];
  for (const { doubtful, tracklet, start, end } of spans) {
    if (!doubtful) continue;
    const last = found.findLast((one) => one.tracklet === tracklet);
    if (last && start - last.end < ONE_DOUBT_SECONDS) last.end = Math.max(last.end, end);
    else found.push({ tracklet, start, end });
  }
  return found;
};

/** What `core` (editor.js) has to be looked at, and ticked off. */
const createFindings = (core) => {
  const acceptOf = ({ kind, seconds, box }) => ({
    kind: "accept",
    finding: { kind, seconds: Math.max(0, seconds - core.info.times[0]), box },
  });
  /** The edit that accepts a finding. */
  const tickOf = (finding) => {
    const wanted = acceptOf(finding).finding;
    return core.doc.edits.find(({ kind, finding: other }) =>
      kind === "accept" && other.kind === wanted.kind &&
      Math.abs(other.seconds - wanted.seconds) < TICK_SECONDS &&
      JSON.stringify(other.box ?? null) === JSON.stringify(wanted.box ?? null));
  };
  /** Whether a mask that was drawn by hand is over a finding. */
  const isCovered = ({ frame, box }) => box !== null && core.masksAt(frame).some(({ corners, edit }) =>
    edit.kind === "mask" && isWithin([corners], (box[0] + box[2]) / 2, (box[1] + box[3]) / 2));
  const isTicked = (finding) => Boolean(tickOf(finding)) || isCovered(finding);
  const goTo = (finding) => {
    core.stage.seek(finding.frame);
    core.places.reveal(finding.id);
    core.showStage();
  };
  const mask = (finding) => {
    goTo(finding);
    const { width, height } = core.info;
    if (!finding.box) {
      core.choose(null);
      core.take("box");
      return;
    }
    const [left, top, right, bottom] = finding.box;
    const [dx, dy] = [(right - left) * FINDING_MARGIN, (bottom - top) * FINDING_MARGIN];
    const [x, y] = [Math.max(0, left - dx), Math.max(0, top - dy)];
    const shape = { kind: "box", x, y, width: Math.min(width, right + dx) - x,
      height: Math.min(height, bottom + dy) - y };
    core.addMask({ kind: "mask", keys: [{ seconds: core.secondsOf(finding.frame), shape }], follow: true });
  };
  const placeOf = (finding) => {
    const texts = core.texts();
    const accepted = tickOf(finding);
    return {
      id: finding.id, at: finding.seconds, time: moment(finding.seconds),
      text: texts[`finding_${FINDING_WORDS[finding.kind] ?? "other"}`],
      ticked: Boolean(accepted) || isCovered(finding),
      go: () => goTo(finding),
      actions: [
        { name: "mask", label: texts.place_mask, act: () => mask(finding) },
        { name: "fine", label: texts.place_fine, pressed: Boolean(accepted),
          act: () => (accepted ? core.doc.remove(accepted) : core.doc.add(acceptOf(finding))) },
      ],
    };
  };
  const placeOfDoubt = (person, span) => {
    const texts = core.texts();
    const [zero, whole] = [core.info.times[0], core.info.times.at(-1)];
    const frame = core.frameOf((span.start + span.end) / 2);
    const ends = span.end < whole - TICK_SECONDS ? { end: span.end - zero } : {};
    const within = { start: Math.max(0, span.start - zero), ...ends };
    const who = { person: person.id, tracklet: span.tracklet };
    const decided = core.verdicts.at(who, core.secondsOf(frame));
    const decide = (decision) => {
      core.doc.add({ kind: "verdict", who: span.tracklet, decision, ...within });
      core.tell(fill(texts[`did_${decision}_span`], { title: titleOf(person, texts) }));
    };
    return {
      id: `${span.tracklet}-${span.start}`, at: span.start, time: moment(span.start),
      text: fill(texts.place_doubt, { title: titleOf(person, texts) }),
      ticked: decided !== null,
      go: () => {
        core.choose({ person: person.id });
        core.stage.seek(frame);
        core.showStage();
      },
      actions: ["keep", "mask"].map((decision) => ({ name: decision, pressed: decided === decision,
        label: texts[`choose_${decision}`], act: () => decide(decision) })),
    };
  };
  /** All of them, in the order of time. */
  const list = () => [
    ...core.findings.map(placeOf),
    ...core.people.flatMap((person) =>
      doubtsOf(person).map((span) => placeOfDoubt(person, span))),
  ].sort((one, other) => one.at - other.at);
  /** Go to the next one that isn't ticked, or the last one before. */
  const jump = (way) => {
    const now = core.info.times[core.stage.frame];
    const open = list().filter(({ ticked }) => !ticked);
    const next = way > 0 ? open.find(({ at }) => at > now + TICK_SECONDS)
      : open.findLast(({ at }) => at < now - TICK_SECONDS);
    if (next) next.go();
    else core.tell(core.texts().no_more);
  };
  return { list, jump, goTo, isTicked };
};
