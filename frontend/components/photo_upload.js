// Photos on their way, two at a time on the whole page. A queue outlives its component.

const AT_ONCE = 2;

class PhotoQueue {
  constructor() {
    this.photos = []; // {file, person, project, phase: waiting, sending, sent, failed, reason, at}
    this.batch = []; // those since the last time that all were through
    this.told = 0; // how many of these Python has heard of
    this.project = null; // that was made for them
    this.home = null; // the project that Python knows
    this.changed = () => {};
  }

  get running() {
    return this.photos.some(({ phase }) => phase === "waiting" || phase === "sending");
  }

  add(files, person, project, most) {
    this.photos = this.photos.filter(({ phase }) => phase !== "sent");
    for (const file of files) {
      const photo = { file, person, project, at: 0 };
      this.photos.push(photo);
      this.begin(photo, file.size > most ? "too_large" : null);
    }
    serve();
  }

  /** Have a photo wait for its turn, or fail at once for `reason`. */
  begin(photo, reason = null) {
    Object.assign(photo, { phase: reason ? "failed" : "waiting", reason, at: 0 });
    if (!this.batch.includes(photo)) this.batch.push(photo);
    this.changed();
  }

  async send(photo) {
    photo.phase = "sending";
    this.changed();
    photo.reason = await this.failure(photo);
    photo.phase = photo.reason ? "failed" : "sent";
    this.changed();
    serve();
  }

  /** Why a photo couldn't be sent, or null when it was. */
  async failure(photo) {
    const reason = await unusable(photo.file);
    if (reason) return reason;
    if (photo.project === null) {
      const made = await createProject();
      if (made.answer) return reasonOf(made.answer);
      photo.project = this.project = made.id;
    }
    const person = encodeURIComponent(photo.person);
    const answer = await request(
      "POST", `/service/projects/${photo.project}/photos?person=${person}`, {
        body: photo.file,
        headers: { "Content-Type": "application/octet-stream" },
        patience: EXAMINING,
        onprogress: (sent) => {
          photo.at = sent;
          this.changed();
        },
      });
    return succeeded(answer) ? null : reasonOf(answer);
  }

  /** What came of the photos since the last time that all were through, and whom they show;
   * null where there is nothing new. */
  result() {
    const sent = this.batch.filter(({ phase }) => phase === "sent");
    const failed = this.batch.filter(({ phase }) => phase === "failed").length;
    const through = sent.length + failed;
    if (through === this.told) return null;
    this.told = through;
    if (!this.running) [this.batch, this.told] = [[], 0];
    return { photos: sent.length, failed, person: sent[0]?.person ?? null };
  }
}

/** Send what waits, as long as there is a place. */
const serve = () => {
  const queues = [...shared.queues.values()];
  const all = queues.flatMap((queue) => queue.photos.map((photo) => ({ queue, photo })));
  const places = AT_ONCE - all.filter(({ photo }) => photo.phase === "sending").length;
  const next = all.filter(({ photo }) => photo.phase === "waiting").slice(0, Math.max(0, places));
  for (const { queue, photo } of next) queue.send(photo);
};

/** The queue of an uploader in a project. In another project it is another one. */
const queueOf = (key, project) => {
  let queue = shared.queues.get(key);
  if (!queue || (queue.home && project && queue.home !== project)) {
    shared.queues.set(key, (queue = new PhotoQueue()));
  }
  queue.home = project ?? queue.home;
  if (project) for (const photo of queue.photos) photo.project ??= project;
  return queue;
};
