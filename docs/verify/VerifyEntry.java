// Verifies signed entries of bridgepoint with the JDK alone (17 or newer), without any library.
//
//     java VerifyEntry.java box.jwk [hub.jwk ...] FILE
//
// FILE has one entry a line: a single report, or a month of a logbook (which needs hub.jwk too, for its receipts). Each
// line's signature has to hold with the one of the given keys that its key id names; a key that says whose it is ("of": "box" or
// "hub") signs only what that side signs. Numbers and links are not looked at: verify_logbook.py and verify_logbook.mjs do
// that. It ends with 0, or with 1 and the line that does not hold.

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyFactory;
import java.security.MessageDigest;
import java.security.PublicKey;
import java.security.Signature;
import java.security.spec.X509EncodedKeySpec;
import java.util.Base64;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

public class VerifyEntry {
    // The header as bridgepoint writes it and nothing else: whatever would let a line choose its key or algorithm is refused.
    private static final Pattern HEADER = Pattern.compile(
            "\\{\"alg\":\"EdDSA\",\"typ\":\"(bp-[a-z]+\\+jws)\",\"kid\":\"([A-Za-z0-9_-]{43})\"\\}");
    private static final Pattern X = Pattern.compile("\"x\"\\s*:\\s*\"([A-Za-z0-9_-]{43})\"");
    // One key, and whose it is where that is said.
    private static final Pattern KEY = Pattern.compile("\\{[^{}]*\\}");
    private static final Pattern OF = Pattern.compile("\"of\"\\s*:\\s*\"([^\"]*)\"");
    private static final Set<String> OF_HUB = Set.of("bp-receipt+jws", "bp-plan+jws", "bp-cmd+jws", "bp-hubkey+jws");
    // What stands before the 32 bytes of an Ed25519 key in X.509 (RFC 8410).
    private static final byte[] PREFIX = HexFormat.of().parseHex("302a300506032b6570032100");

    public static void main(String[] args) throws Exception {
        if (args.length < 2) {
            System.err.println("usage: java VerifyEntry.java box.jwk [hub.jwk ...] FILE");
            System.exit(64);
        }
        Map<String, PublicKey> keys = new HashMap<>();
        Map<String, String> whose = new HashMap<>();
        for (int i = 0; i < args.length - 1; i++) {
            Matcher given = KEY.matcher(Files.readString(Path.of(args[i])));
            while (given.find()) {
                Matcher x = X.matcher(given.group());
                Matcher of = OF.matcher(given.group());
                if (x.find()) {
                    keys.put(kid(x.group(1)), key(x.group(1)));
                    if (of.find()) {
                        whose.put(kid(x.group(1)), of.group(1));
                    }
                }
            }
        }
        String file = args[args.length - 1];
        String[] lines = Files.readString(Path.of(file), StandardCharsets.ISO_8859_1).split("\n");
        for (int i = 0; i < lines.length; i++) {
            try {
                System.out.println(typ(lines[i], keys, whose) + "\t" + sha256(lines[i]));
            } catch (Exception error) {
                System.err.println(file + ":" + (i + 1) + ": " + error.getMessage());
                System.exit(1);
            }
        }
    }

    private static String typ(String line, Map<String, PublicKey> keys, Map<String, String> whose) throws Exception {
        String[] parts = line.split("\\.", -1);
        if (parts.length != 3) {
            throw new Exception("no compact JWS");
        }
        Matcher header = HEADER.matcher(new String(decode(parts[0]), StandardCharsets.UTF_8));
        if (!header.matches()) {
            throw new Exception("not a header of bridgepoint");
        }
        PublicKey key = keys.get(header.group(2));
        if (key == null) {
            throw new Exception("signed by a key that was not given: " + header.group(2));
        }
        String side = OF_HUB.contains(header.group(1)) ? "hub" : "box";
        if (!whose.getOrDefault(header.group(2), side).equals(side)) {
            throw new Exception("signed by a key that is not the " + side + "'s: " + header.group(2));
        }
        Signature signature = Signature.getInstance("Ed25519");
        signature.initVerify(key);
        signature.update((parts[0] + "." + parts[1]).getBytes(StandardCharsets.US_ASCII));
        decode(parts[1]);
        if (!signature.verify(decode(parts[2]))) {
            throw new Exception("the signature does not hold");
        }
        return header.group(1);
    }

    // Another spelling of the same bytes is refused: the hash of an entry is that of its text.
    private static byte[] decode(String part) throws Exception {
        byte[] bytes = Base64.getUrlDecoder().decode(part);
        if (!Base64.getUrlEncoder().withoutPadding().encodeToString(bytes).equals(part)) {
            throw new Exception("not as it was written");
        }
        return bytes;
    }

    private static PublicKey key(String x) throws Exception {
        byte[] raw = decode(x);
        byte[] encoded = new byte[PREFIX.length + raw.length];
        System.arraycopy(PREFIX, 0, encoded, 0, PREFIX.length);
        System.arraycopy(raw, 0, encoded, PREFIX.length, raw.length);
        return KeyFactory.getInstance("Ed25519").generatePublic(new X509EncodedKeySpec(encoded));
    }

    // RFC 7638: the hash of the three members in this order.
    private static String kid(String x) throws Exception {
        return sha256("{\"crv\":\"Ed25519\",\"kty\":\"OKP\",\"x\":\"" + x + "\"}");
    }

    private static String sha256(String text) throws Exception {
        byte[] hash = MessageDigest.getInstance("SHA-256").digest(text.getBytes(StandardCharsets.US_ASCII));
        return Base64.getUrlEncoder().withoutPadding().encodeToString(hash);
    }
}
