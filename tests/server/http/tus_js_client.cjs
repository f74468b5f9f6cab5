// Uploads a file with tus-js-client: ENDPOINT TOKEN FILE STORE CHUNK [STOP]. Goes on with what STORE
// knows of an earlier run; with STOP it ends itself once so many bytes have been sent.
const fs = require("node:fs");
const tus = require("tus-js-client");

const [endpoint, token, file, store, chunk, stop] = process.argv.slice(2);
const upload = new tus.Upload(fs.createReadStream(file), {
  endpoint,
  headers: { Authorization: `Bearer ${token}` },
  chunkSize: Number(chunk),
  uploadSize: fs.statSync(file).size,
  retryDelays: Array(100).fill(20),
  metadata: { filename: "../../street.mp4" },
  urlStorage: new tus.FileUrlStorage(store),
  onProgress: (sent) => {
    if (stop && sent >= Number(stop)) process.kill(process.pid, "SIGKILL");
  },
  onError: (error) => {
    console.error(error.message);
    process.exit(1);
  },
  onSuccess: () => {
    console.log(upload.url);
    process.exit(0);
  },
});
upload.findPreviousUploads().then(([previous]) => {
  if (previous) upload.resumeFromPreviousUpload(previous);
  upload.start();
});
