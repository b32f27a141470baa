#!/usr/bin/env python3
"""Verifies a logbook of bridgepoint without any program of bridgepoint.

    python3 -m venv venv && venv/bin/pip install "pyjwt[crypto]"
    venv/bin/python verify_logbook.py box.jwk hub.jwk 2026-10.log 2026-11.log

box.jwk: the box's public key (bridgepoint-agent key show --json), the first one is enough: where it hands over to another
one, that one is followed. hub.jwk: the hub's (bridgepoint-hub key show --json). A set of keys ({"keys": [...]}) will do; of
one that says whose each is ("of": "box" or "hub"), only the keys of the right side are taken.
The files are months in order, from any month on. It ends with 0 when every signature, number and link holds.
"""

import hashlib
import json
import sys

import jwt
from jwt.utils import base64url_decode, base64url_encode

ENTRIES = {"bp-report+jws", "bp-event+jws", "bp-attest+jws", "bp-gap+jws"}


def sha256(text):
    return base64url_encode(hashlib.sha256(text).digest()).decode()


def kid_of(jwk):
    """RFC 7638: the hash of the three members in this order."""
    return sha256(json.dumps({name: jwk[name] for name in ("crv", "kty", "x")}, separators=(",", ":")).encode())


def keys(path, whose):
    with open(path, encoding="utf-8") as file:
        said = json.load(file)
    # bridgepoint-hub prints the key together with its fingerprint.
    listed = said.get("keys", [said, *said.get("former", [])])
    jwks = [key.get("jwk", key) for key in listed if key.get("of", whose) == whose]
    return {kid_of(jwk): jwk for jwk in jwks}


def need(holds, why):
    if not holds:
        raise ValueError(why)


def opened(line, known):
    """Header and claims of a line that one of these keys has signed: the key and the algorithm are chosen here."""
    need(all(base64url_encode(base64url_decode(part)) == part for part in line.split(b".")), "not as it was written")
    header = jwt.get_unverified_header(line)
    need(not header.keys() & {"jwk", "jku", "x5u", "x5c", "b64", "crit"}, "a header that would choose its key")
    need(header["kid"] in known, "signed by a key that is not known: " + header["kid"])
    key = jwt.PyJWK(known[header["kid"]], algorithm="EdDSA").key
    return header, json.loads(jwt.PyJWS().decode(line, key, algorithms=["EdDSA"]))


def successor(event, signer):
    """The next key, when this event hands over to one that says so itself."""
    try:
        jwk, proof = event["params"]["jwk"], event["params"]["proof"].encode()
        header, enrol = opened(proof, {kid_of(jwk): jwk})
        whose = [(said["org"], said["room"]) for said in (event, enrol)]
        if header["typ"] == "bp-enrol+jws" and enrol["jwk"] == jwk and enrol["former"] == signer and whose[0] == whose[1]:
            return {kid_of(jwk): jwk}
    except (KeyError, TypeError, ValueError, AttributeError, jwt.PyJWTError):
        pass
    return {}


class Walk:
    def __init__(self, box, hub):
        self.box, self.hub = box, hub
        self.signer, self.former, self.named = None, set(), {}
        self.first, self.number, self.last, self.hashes, self.witnessed = None, None, None, {}, {}

    def is_there(self, said, why):
        """What stands before the first line that was read is not judged."""
        if self.first is not None and said["seq"] >= self.first:
            need(self.hashes.get(said["seq"]) == said["hash"], why)
            return True
        return False

    def step(self, line):
        typ = jwt.get_unverified_header(line).get("typ")
        need(typ in ENTRIES | {"bp-receipt+jws"}, f"a {typ} does not belong into a logbook")
        header, claims = opened(line, self.hub if typ == "bp-receipt+jws" else self.box)
        if typ == "bp-receipt+jws":
            self.is_there(claims, f"a receipt for entry {claims['seq']} that does not stand before it")
            self.witnessed[claims["seq"]] = claims["received_ms"]
            return
        seq, before, witness = claims["seq"], claims["seq"] - 1, claims.get("witness")
        if typ == "bp-gap+jws" and 1 <= claims["from"] <= claims["to"] == before:
            before = claims["from"] - 1  # it stands directly after what it declares missing
        prev = self.last or ("A" * 43 if before == 0 else claims["prev"])
        need(self.number in (None, before), f"entry {seq} does not follow entry {self.number}")
        need(claims["prev"] == prev, f"entry {seq} does not name the entry before it")
        need(header["kid"] not in self.former, f"entry {seq} is signed by a key that had been replaced")
        if witness and self.is_there(witness, f"entry {seq} names another entry {witness['seq']}"):
            need(witness["seq"] in self.witnessed, f"the receipt for entry {witness['seq']} is not there")
        if self.signer not in (None, header["kid"]):
            self.former.add(self.signer)
        if typ == "bp-event+jws" and (claims.get("kind"), claims.get("code")) == ("key", "key.rotated"):
            for kid, jwk in successor(claims, header["kid"]).items():
                if kid not in self.named and kid not in self.former:
                    # Of several that one key has named the later word counts.
                    self.former |= {other for other, by in self.named.items() if by == header["kid"]}
                    self.named[kid] = header["kid"]
                    self.box = {kid: jwk, **self.box}
        if self.number is None:
            self.first = seq
        self.signer, self.number, self.last = header["kid"], seq, sha256(line)
        self.hashes[seq] = self.last
        print(seq, typ, claims.get("verdict", ""), sep="\t")


def main(box_file, hub_file, *books):
    walk = Walk(keys(box_file, "box"), keys(hub_file, "hub"))
    if walk.box.keys() & walk.hub.keys():
        sys.exit(f"{box_file} and {hub_file} have a key in common: whose receipts are the hub's cannot be told")
    for book in books:
        with open(book, "rb") as file:
            *lines, rest = file.read().split(b"\n")
        for at, line in enumerate([*lines, rest] if rest else lines, 1):
            try:
                walk.step(line)
            except (ValueError, KeyError, TypeError, jwt.PyJWTError) as error:
                cut = " (the file ends in this line: it may be cut off)" if at > len(lines) else ""
                sys.exit(f"{book}:{at}: {error}{cut}")
    print(f"{len(walk.hashes)} entries, {len(walk.witnessed)} receipts; head {walk.number} {walk.last}")
    print("without a receipt:", ", ".join(str(seq) for seq in walk.hashes if seq not in walk.witnessed) or "none")


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
