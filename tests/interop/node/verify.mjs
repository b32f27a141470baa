// Verifies what bridgepoint has signed with jose and Node's own hashes alone, from the documents (RFC 7515, 7638, 8037).
//
//     verify.mjs BOX.jwk HUB.jwk|- FILE
//
// The same as ../verify.py in another language and with another library: prints one JSON object, how many entries and
// receipts there are, or the first line that does not hold (exit 1).

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { calculateJwkThumbprint, compactVerify, decodeProtectedHeader, importJWK } from "jose";

const ENTRIES = new Set(["bp-report+jws", "bp-event+jws", "bp-attest+jws", "bp-gap+jws"]);
const MEMBERS = ["alg", "kid", "typ"];

async function keys(paths) {
  const known = new Map();
  for (const [owner, path] of paths) {
    if (path === "-") continue;
    const jwk = JSON.parse(readFileSync(path, "utf8"));
    known.set(await calculateJwkThumbprint(jwk), { owner, key: await importJWK(jwk, "EdDSA") });
  }
  return known;
}

function hold(holds, why) {
  if (!holds) throw new Error(why);
}

async function walk(lines, known) {
  const counts = { entries: 0, receipts: 0, other: 0 };
  const hashes = new Map();
  let before = null;
  for (const [index, line] of lines.entries()) {
    try {
      const { kid } = decodeProtectedHeader(line);
      const by = known.get(kid);
      hold(by, `nobody's key: ${kid}`);
      // The signature first; what is inside is looked at when it holds.
      const { payload, protectedHeader } = await compactVerify(line, by.key, { algorithms: ["EdDSA"] });
      hold(String(Object.keys(protectedHeader).sort()) === String(MEMBERS), `header: ${Object.keys(protectedHeader)}`);
      const claims = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(payload));
      if (ENTRIES.has(protectedHeader.typ)) {
        hold(by.owner === "box", "an entry that the box has not signed");
        const first = before === null && claims.seq === 1;
        hold(!first || claims.prev === "A".repeat(43), "the first entry follows another");
        const follows = before === null || (claims.seq === before.seq + 1 && claims.prev === before.hash);
        hold(follows, "it does not follow the entry before");
        before = { seq: claims.seq, hash: createHash("sha256").update(line, "ascii").digest("base64url") };
        hashes.set(before.seq, before.hash);
        counts.entries += 1;
      } else if (protectedHeader.typ === "bp-receipt+jws") {
        hold(by.owner === "hub", "a receipt that the hub has not signed");
        const earlier = hashes.size === 0 || claims.seq < [...hashes.keys()][0];
        hold(earlier || hashes.get(claims.seq) === claims.hash, "a receipt for something else");
        counts.receipts += 1;
      } else {
        counts.other += 1;
      }
    } catch (error) {
      return { line: index + 1, why: `${error.name}: ${error.message}` };
    }
  }
  return counts;
}

const [box, hub, path] = process.argv.slice(2);
const lines = readFileSync(path, "latin1").split("\n").filter((line) => line.trim() !== "");
const found = await walk(lines, await keys([["box", box], ["hub", hub]]));
console.log(JSON.stringify(found));
process.exitCode = "why" in found ? 1 : 0;
