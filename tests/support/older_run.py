"""Makes a checkpoint look as if its run were older than some options: they are not in its state.

    python3 older_run.py CHECKPOINT OPTION...
"""

import hashlib
import json
import pathlib
import sys

folder, options = pathlib.Path(sys.argv[1]), sys.argv[2:]


def sha256(data):
    return hashlib.sha256(data).hexdigest()


state = json.loads((folder / "state.json").read_text())
for option in options:
    del state["train"][option]
    state.pop(option, None)
(folder / "state.json").write_text(json.dumps(state))
manifest = json.loads((folder / "manifest.json").read_text())
data = (folder / "state.json").read_bytes()
manifest["files"]["state.json"] = {"bytes": len(data), "sha256": sha256(data)}
hashed = {key: manifest[key] for key in ("kind", "format_version", "made_from", "files")}
manifest["hash"] = sha256(json.dumps(hashed, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode())
(folder / "manifest.json").write_text(json.dumps(manifest))
