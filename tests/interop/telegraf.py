"""Evaluates the GJSON paths of a Telegraf configuration that stands in a document, as its json_v2 parser would.

    telegraf.py DOCUMENT < MESSAGE

Takes the one ```toml block that has `json_v2`, reads it, and evaluates each `path` on the message with gjson. Prints
one JSON object: measurement, topics, time, tags and fields. A path that finds nothing ends it, unless it is `optional`;
a null is left out, as Telegraf leaves it out.
"""

import json
import re
import sys
import tomllib

import gjson

TYPES = {"string": str, "int": int, "float": (int, float), "bool": bool}


def block(document):
    with open(document, encoding="utf-8") as file:
        blocks = re.findall(r"^```toml\n(.*?)^```$", file.read(), re.MULTILINE | re.DOTALL)
    (found,) = [text for text in blocks if "json_v2" in text]
    return tomllib.loads(found)["inputs"]["mqtt_consumer"][0]


def evaluate(message, items):
    found = {}
    for item in items:
        got = gjson.GJSON(message)
        try:
            value = got.get(item["path"])
        except gjson.GJSONError:
            if item.get("optional"):
                continue
            raise
        if value is None:
            continue
        wanted = TYPES[item.get("type", "string")]
        if not isinstance(value, wanted) or (isinstance(value, bool) and wanted is not bool):
            raise SystemExit(f"{item['path']} is {value!r}, not {item.get('type')}")
        # Without `rename` Telegraf takes what stands after the last dot, so two checks would have one name.
        name = item.get("rename") or item["path"].rsplit(".", 1)[-1]
        if name in found:
            raise SystemExit(f"two fields have the name {name}")
        found[name] = {"path": item["path"], "value": value}
    return found


def main():
    source = block(sys.argv[1])
    message = json.load(sys.stdin)
    assert source["data_format"] == "json_v2"
    (parser,) = source["json_v2"]
    assert parser["timestamp_format"] == "unix_ms"
    print(
        json.dumps(
            {
                "measurement": parser["measurement_name"],
                "topics": source["topics"],
                "time": gjson.get(message, parser["timestamp_path"]),
                "tags": evaluate(message, parser["tag"]),
                "fields": evaluate(message, parser["field"]),
            }
        )
    )


if __name__ == "__main__":
    main()
