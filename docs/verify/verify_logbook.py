#!/usr/bin/env python3
"""Verifies a logbook of bridgepoint without any program of bridgepoint.

    python3 -m venv venv && venv/bin/pip install "pyjwt[crypto]"
    venv/bin/python verify_logbook.py box.jwk hub.jwk 2026-10.log 2026-11.log

box.jwk: the box's public key (bridgepoint-agent key show --json). hub.jwk: the hub's (bridgepoint-hub key show --json).
The files are months in order, from any month on. It ends with 0 when every signature, number and link holds.
"""

import hashlib
import json
import sys

import jwt

ENTRIES = {"bp-report+jws", "bp-event+jws", "bp-attest+jws", "bp-gap+jws"}


def key(path):
    with open(path, encoding="utf-8") as file:
        said = json.load(file)
    # bridgepoint-hub prints the key together with its fingerprint.
    return jwt.PyJWK(said.get("jwk", said), algorithm="EdDSA").key


def b64(digest):
    return jwt.utils.base64url_encode(digest).decode()


def main(box_file, hub_file, *books):
    box, hub = key(box_file), key(hub_file)
    jws = jwt.PyJWS()
    number, last, witnessed = None, None, {}
    hashes = {}
    for book in books:
        with open(book, "rb") as file:
            lines = file.read().splitlines()
        for at, line in enumerate(lines, 1):
            where = f"{book}:{at}"
            typ = jwt.get_unverified_header(line)["typ"]
            # The algorithm and the key are chosen here, never by the line.
            signer = hub if typ == "bp-receipt+jws" else box
            if typ not in ENTRIES | {"bp-receipt+jws"}:
                sys.exit(f"{where}: a {typ} does not belong into a logbook")
            try:
                claims = json.loads(jws.decode(line, signer, algorithms=["EdDSA"]))
            except jwt.InvalidTokenError as error:
                sys.exit(f"{where}: {error}")
            if typ == "bp-receipt+jws":
                if hashes.get(claims["seq"], claims["hash"]) != claims["hash"]:
                    sys.exit(f"{where}: the receipt for entry {claims['seq']} is for another text")
                witnessed[claims["seq"]] = claims["received_ms"]
                continue
            expected = claims["seq"] if number is None else number + 1
            before = last or ("A" * 43 if claims["seq"] == 1 else claims["prev"])
            if claims["seq"] != expected or claims["prev"] != before:
                sys.exit(f"{where}: entry {claims['seq']} does not follow entry {number}")
            number, last = claims["seq"], b64(hashlib.sha256(line).digest())
            hashes[number] = last
            print(number, typ, claims.get("verdict", ""), sep="\t")
    print(f"{len(hashes)} entries, {len(witnessed)} receipts; head {number} {last}")
    open_ = sorted(set(hashes) - set(witnessed))
    print("without a receipt:", ", ".join(map(str, open_)) or "none")


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
