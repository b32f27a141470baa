"""Drives the simulated camera with visca-over-ip, a camera client from PyPI, as it is published.

    camera.py IP PORT

Takes one word a line on standard input and answers each with one line of JSON: `power`, `version`, `at`, `recall N`,
`home`. The client sends its questions from the same port number that it sends to.

The client waits 0.1 s for each answer, which a busy machine does not always keep: its sockets are given longer.
"""

import json
import sys

from visca_over_ip import Camera
from visca_over_ip.exceptions import NoQueryResponse, ViscaException

# Per answer; the client asks a question five times.
PATIENCE_S = 4


def answer(camera, words):
    if words == ["at"]:
        pan, tilt = camera.get_pantilt_position()
        return {"pan": pan, "tilt": tilt, "zoom": camera.get_zoom_position()}
    # These two have no name of their own in the client; they go through what all its questions go through.
    if words == ["power"]:
        return camera._send_command("04 00", query=True).hex()
    if words == ["version"]:
        return camera._send_command("00 02", query=True).hex()
    if words == ["home"]:
        camera.pantilt_home()
        return "acknowledged"
    if words[0] == "recall":
        camera.recall_preset(int(words[1]))
        return "acknowledged"
    raise SystemExit("unknown: " + " ".join(words))


def main():
    camera = Camera(sys.argv[1], port=int(sys.argv[2]))
    camera._cmd_sock.settimeout(PATIENCE_S)
    camera._inq_sock.settimeout(PATIENCE_S)
    for line in sys.stdin:
        try:
            said = answer(camera, line.split())
        except ViscaException as error:
            said = {"refused": error.status_code}
        except NoQueryResponse as error:
            said = {"silent": str(error)}
        print(json.dumps(said), flush=True)
    camera.close_connection()


if __name__ == "__main__":
    main()
