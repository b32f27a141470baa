#!/usr/bin/env node
// Verifies a logbook of bridgepoint with nothing but Node's own cryptography (Node 18 or newer).
//
//     node verify_logbook.mjs box.jwk hub.jwk 2026-10.log 2026-11.log
//
// box.jwk: the box's public key (bridgepoint-agent key show --json), the first one is enough: where it hands over to another
// one, that one is followed. hub.jwk: the hub's (bridgepoint-hub key show --json). A set of keys ({"keys": [...]}) will do; of
// one that says whose each is ("of": "box" or "hub"), only the keys of the right side are taken.
// The files are months in order, from any month on. It ends with 0 when every signature, number and link holds.

import { createHash, createPublicKey, verify } from "node:crypto";
import { readFileSync } from "node:fs";

const entries = new Set(["bp-report+jws", "bp-event+jws", "bp-attest+jws", "bp-gap+jws"]);
const [boxFile, hubFile, ...books] = process.argv.slice(2);
if (books.length === 0) {
  console.error("usage: node verify_logbook.mjs box.jwk hub.jwk YYYY-MM.log…");
  process.exit(64);
}

const sha256 = (text) => createHash("sha256").update(text, "latin1").digest("base64url");
// RFC 7638: the hash of the three members in this order.
const kidOf = ({ crv, kty, x }) => sha256(JSON.stringify({ crv, kty, x }));
const known = (jwks) => new Map(jwks.map((jwk) => [kidOf(jwk), createPublicKey({ key: jwk, format: "jwk" })]));

function keys(file, whose) {
  const said = JSON.parse(readFileSync(file, "utf8"));
  // bridgepoint-hub prints the key together with its fingerprint.
  const listed = said.keys ?? [said, ...(said.former ?? [])];
  return known(listed.filter((key) => (key.of ?? whose) === whose).map((key) => key.jwk ?? key));
}

function need(holds, why) {
  if (!holds) throw new Error(why);
}

function header(line) {
  const parts = line.split(".");
  const written = (part) => Buffer.from(part, "base64url").toString("base64url") === part;
  need(parts.length === 3 && parts.every(written), "no compact JWS, or not as it was written");
  return JSON.parse(Buffer.from(parts[0], "base64url").toString("utf8"));
}

// The claims of a line that one of these keys has signed: the key and the algorithm are chosen here, never by the line.
function opened(line, keyring) {
  const { alg, kid, ...more } = header(line);
  need(alg === "EdDSA", `signed by ${alg}`);
  for (const member of ["jwk", "jku", "x5u", "x5c", "b64", "crit"]) need(!(member in more), `a header with ${member}`);
  need(keyring.has(kid), `signed by a key that is not known: ${kid}`);
  const [signed, signature] = [line.slice(0, line.lastIndexOf(".")), line.slice(line.lastIndexOf(".") + 1)];
  const good = verify(null, Buffer.from(signed, "latin1"), keyring.get(kid), Buffer.from(signature, "base64url"));
  need(good, "the signature does not hold");
  return JSON.parse(Buffer.from(line.split(".")[1], "base64url").toString("utf8"));
}

// The next key, when this event hands over to one that says so itself.
function successor(event, signer) {
  try {
    const { jwk, proof } = event.params;
    const [next, typ] = [known([jwk]), header(proof).typ];
    const enrol = opened(proof, next);
    const follows = typ === "bp-enrol+jws" && enrol.former === signer && kidOf(enrol.jwk) === kidOf(jwk);
    return follows && enrol.org === event.org && enrol.room === event.room ? next : [];
  } catch {
    return [];
  }
}

let [box, hub] = [keys(boxFile, "box"), keys(hubFile, "hub")];
if ([...box.keys()].some((kid) => hub.has(kid))) {
  console.error(`${boxFile} and ${hubFile} have a key in common: whose receipts are the hub's cannot be told`);
  process.exit(1);
}
let [first, number, last, signer] = [null, null, null, null];
const [hashes, witnessed, former] = [new Map(), new Set(), new Set()];

// What stands before the first line that was read is not judged.
function isThere({ seq, hash }, why) {
  if (first === null || seq < first) return false;
  need(hashes.get(seq) === hash, why);
  return true;
}

const named = new Map();

function step(line) {
  const { typ, kid } = header(line);
  need(entries.has(typ) || typ === "bp-receipt+jws", `a ${typ} does not belong into a logbook`);
  const claims = opened(line, typ === "bp-receipt+jws" ? hub : box);
  const { seq, prev, witness } = claims;
  if (typ === "bp-receipt+jws") {
    isThere(claims, `a receipt for entry ${seq} that does not stand before it`);
    witnessed.add(seq);
    return;
  }
  let before = seq - 1;
  // It stands directly after what it declares missing.
  if (typ === "bp-gap+jws" && 1 <= claims.from && claims.from <= claims.to && claims.to === before) before = claims.from - 1;
  need(number === null || number === before, `entry ${seq} does not follow entry ${number}`);
  need(prev === (last ?? (before === 0 ? "A".repeat(43) : prev)), `entry ${seq} does not name the entry before it`);
  need(!former.has(kid), `entry ${seq} is signed by a key that had been replaced`);
  if (witness && isThere(witness, `entry ${seq} names another entry ${witness.seq}`)) {
    need(witnessed.has(witness.seq), `the receipt for entry ${witness.seq} is not there`);
  }
  if (signer !== null && signer !== kid) former.add(signer);
  if (typ === "bp-event+jws" && claims.kind === "key" && claims.code === "key.rotated") {
    for (const [next, key] of successor(claims, kid)) {
      if (named.has(next) || former.has(next)) continue;
      // Of several that one key has named the later word counts.
      for (const [other, by] of named) if (by === kid) former.add(other);
      named.set(next, kid);
      box = new Map([[next, key], ...box]);
    }
  }
  [first, number, last, signer] = [first ?? seq, seq, sha256(line), kid];
  hashes.set(seq, last);
  console.log(`${seq}\t${typ}\t${claims.verdict ?? ""}`);
}

for (const book of books) {
  const lines = readFileSync(book, "latin1").split("\n");
  const ended = lines.at(-1) === "";
  if (ended) lines.pop();
  lines.forEach((line, index) => {
    try {
      step(line);
    } catch (error) {
      const cut = !ended && index === lines.length - 1 ? " (the file ends in this line: it may be cut off)" : "";
      console.error(`${book}:${index + 1}: ${error.message}${cut}`);
      process.exit(1);
    }
  });
}
const open = [...hashes.keys()].filter((seq) => !witnessed.has(seq));
console.log(`${hashes.size} entries, ${witnessed.size} receipts; head ${number} ${last}`);
console.log(`without a receipt: ${open.join(", ") || "none"}`);
