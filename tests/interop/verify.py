"""Verifies what bridgepoint has signed with PyJWT and hashlib alone, from the documents (RFC 7515, 7638, 8037).

    verify.py BOX.jwk HUB.jwk|- FILE

FILE has one compact JWS a line: a single entry, or a month of a logbook. Every signature has to hold with the key that
its `kid` names, and every entry has to name the hash of the one before. Prints one JSON object: how many entries and
receipts there are, or the first line that does not hold (exit 1).
"""

import base64
import hashlib
import json
import sys

import jwt
from jwt.algorithms import OKPAlgorithm

ENTRIES = {"bp-report+jws", "bp-event+jws", "bp-attest+jws", "bp-gap+jws"}


def b64(raw):
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def thumbprint(jwk):
    members = {name: jwk[name] for name in ("crv", "kty", "x")}
    canonical = json.dumps(members, sort_keys=True, separators=(",", ":"))
    return b64(hashlib.sha256(canonical.encode("ascii")).digest())


def keys(paths):
    known = {}
    for owner, path in paths:
        if path == "-":
            continue
        with open(path, encoding="utf-8") as file:
            jwk = json.load(file)
        known[thumbprint(jwk)] = (owner, OKPAlgorithm.from_jwk(json.dumps(jwk)))
    return known


def walk(lines, known):
    counts = {"entries": 0, "receipts": 0, "other": 0}
    before = None
    hashes = {}
    for number, line in enumerate(lines, 1):
        try:
            kid = jwt.get_unverified_header(line)["kid"]
            if kid not in known:
                raise ValueError("nobody's key: " + kid)
            owner, key = known[kid]
            # The signature first; what is inside is looked at when it holds.
            decoded = jwt.PyJWS(algorithms=["EdDSA"]).decode_complete(line, key, algorithms=["EdDSA"])
            header, claims = decoded["header"], json.loads(decoded["payload"])
            if set(header) != {"alg", "typ", "kid"}:
                raise ValueError("header: " + ", ".join(sorted(header)))
            entry_hash = hashlib.sha256(line.encode("ascii")).digest()
            if header["typ"] in ENTRIES:
                if owner != "box":
                    raise ValueError("an entry that the box has not signed")
                if before is None and claims["seq"] == 1 and claims["prev"] != b64(bytes(32)):
                    raise ValueError("the first entry follows another")
                if before is not None and (claims["seq"], claims["prev"]) != before:
                    raise ValueError("it does not follow the entry before")
                before = (claims["seq"] + 1, b64(entry_hash))
                hashes[claims["seq"]] = b64(entry_hash)
                counts["entries"] += 1
            elif header["typ"] == "bp-receipt+jws":
                if owner != "hub":
                    raise ValueError("a receipt that the hub has not signed")
                if hashes and claims["seq"] >= min(hashes) and hashes.get(claims["seq"]) != claims["hash"]:
                    raise ValueError("a receipt for something else")
                counts["receipts"] += 1
            else:
                counts["other"] += 1
        except (jwt.PyJWTError, ValueError, KeyError) as error:
            return {"line": number, "why": type(error).__name__ + ": " + str(error)}
    return counts


def main():
    box, hub, path = sys.argv[1:4]
    with open(path, encoding="ascii") as file:
        lines = [line.rstrip("\n") for line in file if line.strip()]
    found = walk(lines, keys([("box", box), ("hub", hub)]))
    print(json.dumps(found))
    return 1 if "why" in found else 0


if __name__ == "__main__":
    sys.exit(main())
