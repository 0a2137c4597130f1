#!/usr/bin/env python3
"""Configure the remote store of a job in GitHub Actions: write the keys to files, and name them for the steps that follow.

Environment: REMOTE, the addresses, PUBLIC_KEYS and SIGN_KEY, the content of these files, and variables of the bucket's client.
Nothing is configured without an address; without the signing key, as in a pull request of a fork, a remote store is only read.
"""

from __future__ import annotations

import os
from pathlib import Path

CLIENT = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL", "AWS_REGION")


def main() -> None:
    """Run the script."""
    addresses = os.environ.get("REMOTE", "").split()
    if not addresses:
        print("no remote store is configured")
        return
    variables = {"EVERYWHEEL_REMOTE": " ".join(addresses)}
    folder = Path(os.environ["RUNNER_TEMP"])
    for name, variable in (("PUBLIC_KEYS", "EVERYWHEEL_REMOTE_KEYS"), ("SIGN_KEY", "EVERYWHEEL_REMOTE_SIGN_KEY")):
        content = os.environ.get(name, "").strip()
        if content:
            path = folder / name.lower()
            path.touch(mode=0o600)  # OpenSSH refuses a private key that others can read
            path.write_text(f"{content}\n", encoding="utf-8")
            variables[variable] = str(path)
    variables |= {name: os.environ[name] for name in CLIENT if os.environ.get(name)}
    with Path(os.environ["GITHUB_ENV"]).open("a", encoding="utf-8") as file:
        file.writelines(f"{name}={value}\n" for name, value in variables.items())
    state = "uploads are signed" if "EVERYWHEEL_REMOTE_SIGN_KEY" in variables else "only read"
    print(f"remote stores: {len(addresses)}, {state}")


if __name__ == "__main__":
    main()
