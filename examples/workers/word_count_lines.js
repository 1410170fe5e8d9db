// A lines worker for Node: counts the lines, words and bytes of the file that it is named, and stops when it is asked to.
"use strict";
const fs = require("node:fs");
const readline = require("node:readline");

const say = (message) => process.stdout.write(JSON.stringify(message) + "\n");
let stream = null;
let current = null;

function count(job) {
  if (!job.inputs.length) return say({ type: "failed", job: job.job, code: "invalid_argument", message: "no input" });
  let [lines, words, bytes, inWord] = [0, 0, 0, false];
  current = job.job;
  stream = fs.createReadStream(job.inputs[0]);
  stream.on("data", (chunk) => {
    bytes += chunk.length;
    for (const byte of chunk) {
      const space = byte === 32 || (byte >= 9 && byte <= 13);
      if (byte === 10) lines += 1;
      if (!inWord && !space) words += 1;
      inWord = !space;
    }
    say({ type: "beat", job: job.job });
  });
  stream.on("end", () => say({ type: "done", job: job.job, result: { lines, words, bytes } }));
  stream.on("error", (error) =>
    say({ type: "failed", job: job.job, code: error.cancelled ? "cancelled" : "failed", message: error.message }));
}

readline.createInterface({ input: process.stdin }).on("line", (line) => {
  const message = JSON.parse(line);
  if (message.type === "job") count(message);
  if (message.type === "cancel" && message.job === current)
    stream.destroy(Object.assign(new Error("stopped as asked"), { cancelled: true }));
});
