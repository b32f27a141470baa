// Reads the simulated codec with jsxapi, the vendor's own client, as it drives a real unit's terminal.
//
//     codec.mjs HOST PORT PATH…
//
// Prints one JSON object: `read` has what the client made of each path, or `{ refused: why }`; `dialled` is what became
// of a command that acts; `events` how many came in between without being asked for. The client is as it is published;
// it wants lines that end in LF, as SSH without a terminal gives them, so CR is taken out on the way.

import { createRequire } from "node:module";
import { connect } from "node:net";
import { Duplex, Transform } from "node:stream";

// Its two halves by their files: its front door would load SSH and WebSocket as well.
const require = createRequire(import.meta.url);
const Terminal = require("jsxapi/lib/backend/tsh").default;
const { XAPI } = require("jsxapi/lib/xapi");

const [host, port, ...paths] = process.argv.slice(2);
const socket = connect(Number(port), host);
const withoutCr = new Transform({
  transform(chunk, _encoding, done) {
    done(null, chunk.filter((byte) => byte !== 0x0d));
  },
});
const stream = Duplex.from({ readable: socket.pipe(withoutCr), writable: socket });
stream.close = () => socket.end();

const backend = new Terminal(stream);
const xapi = new XAPI(backend);
let events = 0;
backend.on("data", (message) => {
  if (message.method === "xFeedback/Event") events += 1;
});
xapi.on("error", (error) => {
  console.error(error);
  process.exit(1);
});
// The test would wait for ever for a client that does.
setTimeout(() => process.exit(2), 20_000).unref();

const read = {};
for (const path of paths) {
  read[path] = await xapi.status.get(path).then(
    (value) => value ?? null,
    (error) => ({ refused: error.message }),
  );
}
const dialled = await xapi.command("Dial", { Number: "1900" }).then(
  () => "done",
  (error) => error.message,
);
console.log(JSON.stringify({ read, dialled, events }));
xapi.close();
