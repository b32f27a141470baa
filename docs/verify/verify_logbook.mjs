#!/usr/bin/env node
// Verifies a logbook of bridgepoint with nothing but Node's own cryptography (Node 18 or newer).
//
//     node verify_logbook.mjs box.jwk hub.jwk 2026-10.log 2026-11.log
//
// box.jwk: the box's public key (bridgepoint-agent key show --json). hub.jwk: the hub's (bridgepoint-hub key show --json).
// The files are months in order, from any month on. It ends with 0 when every signature, number and link holds.

import { createHash, createPublicKey, verify } from "node:crypto";
import { readFileSync } from "node:fs";

const entries = new Set(["bp-report+jws", "bp-event+jws", "bp-attest+jws", "bp-gap+jws"]);
const [boxFile, hubFile, ...books] = process.argv.slice(2);
if (books.length === 0) {
  console.error("usage: node verify_logbook.mjs box.jwk hub.jwk YYYY-MM.log…");
  process.exit(64);
}

function key(file) {
  const said = JSON.parse(readFileSync(file, "utf8"));
  // bridgepoint-hub prints the key together with its fingerprint.
  return createPublicKey({ key: said.jwk ?? said, format: "jwk" });
}
const json = (part) => JSON.parse(Buffer.from(part, "base64url").toString("utf8"));
const [box, hub] = [key(boxFile), key(hubFile)];
let number = null;
let last = null;
const hashes = new Map();
const witnessed = new Set();

function wrong(where, why) {
  console.error(`${where}: ${why}`);
  process.exit(1);
}

for (const book of books) {
  const lines = readFileSync(book, "latin1").split("\n").filter((line) => line !== "");
  lines.forEach((line, index) => {
    const where = `${book}:${index + 1}`;
    const [header, payload, signature, ...more] = line.split(".");
    if (signature === undefined || more.length > 0) wrong(where, "no compact JWS");
    const { typ, alg } = json(header);
    const receipt = typ === "bp-receipt+jws";
    if (alg !== "EdDSA" || !(receipt || entries.has(typ))) wrong(where, `a ${typ} by ${alg} does not belong here`);
    const signed = Buffer.from(`${header}.${payload}`, "latin1");
    // The key is chosen here, never by the line.
    const good = verify(null, signed, receipt ? hub : box, Buffer.from(signature, "base64url"));
    if (!good) wrong(where, "the signature does not hold");
    const claims = json(payload);
    if (receipt) {
      if ((hashes.get(claims.seq) ?? claims.hash) !== claims.hash) wrong(where, `a receipt for another entry ${claims.seq}`);
      witnessed.add(claims.seq);
      return;
    }
    const expected = number === null ? claims.seq : number + 1;
    const before = last ?? (claims.seq === 1 ? "A".repeat(43) : claims.prev);
    if (claims.seq !== expected || claims.prev !== before) wrong(where, `entry ${claims.seq} does not follow entry ${number}`);
    number = claims.seq;
    last = createHash("sha256").update(line, "latin1").digest("base64url");
    hashes.set(number, last);
    console.log(`${number}\t${typ}\t${claims.verdict ?? ""}`);
  });
}
const open = [...hashes.keys()].filter((seq) => !witnessed.has(seq));
console.log(`${hashes.size} entries, ${witnessed.size} receipts; head ${number} ${last}`);
console.log(`without a receipt: ${open.join(", ") || "none"}`);
