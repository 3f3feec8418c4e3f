# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Take the ports over again once the edge that has just been started knows its routes; until then it would answer 404.

usage: take_over.py API_URL RULESET NFT     (run by replatform-edge.service)
"""

import json
import os
import sys
import time
import urllib.request

PATIENCE_S = 60
PAUSE_S = 0.1


def knows_routes(api: str) -> bool:
    """Whether Traefik has read its dynamic files, which it does all at once."""
    for kind in ("http", "tcp"):
        try:
            with urllib.request.urlopen(f"{api}/api/{kind}/routers?per_page=10000", timeout=3) as answer:
                if any(router.get("provider") == "file" for router in json.load(answer)):
                    return True
        except (OSError, ValueError):
            return False
    return False


def main() -> int:
    api, ruleset, nft = sys.argv[1:]
    if not os.path.exists(ruleset):
        return 0
    end = time.monotonic() + PATIENCE_S
    while not knows_routes(api):
        if time.monotonic() > end:
            print(
                f"the edge knows no route after {PATIENCE_S} s; the ports of {ruleset} are not taken over",
                file=sys.stderr,
            )
            return 1
        time.sleep(PAUSE_S)
    os.execv(nft, [nft, "-f", ruleset])


if __name__ == "__main__":
    sys.exit(main())
