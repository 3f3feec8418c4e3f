# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import pytest

from .conftest import groups, search, told, uses


@pytest.mark.parametrize(
    "target, user, content, expected",
    [
        ("a.sh", "Dockerfile", "COPY a.sh b.sh /x/", [(1, "dockerfile", True, "a.sh")]),
        ("a.sh", "Dockerfile", "copy --chown=1:1 ./a.sh /x/", [(1, "dockerfile", True, "./a.sh")]),
        ("a.sh", "Dockerfile", "ADD /a.sh /x/", [(1, "dockerfile", True, "a.sh")]),
        ("a.sh", "Dockerfile", 'COPY ["a.sh", "/x/"]', [(1, "dockerfile", True, "a.sh")]),
        ("my a.sh", "Dockerfile", 'COPY --link ["b", "my a.sh", "/x/"]', [(1, "dockerfile", True, "my a.sh")]),
        ("a.sh", "Dockerfile", "COPY b.sh \\\n  # a.sh\n  a.sh \\\n  /x/\n", [(3, "dockerfile", True, "a.sh")]),
        ("svc/a.sh", "svc/Dockerfile", "COPY a.sh /x/", [(1, "dockerfile", True, "a.sh")]),
        ("svc/a.sh", "svc/Dockerfile", "COPY svc/a.sh /x/", [(1, "dockerfile", True, "svc/a.sh")]),
        ("a.sh", "svc/gw/Dockerfile.dev", "COPY a.sh /x/", [(1, "dockerfile", True, "a.sh")]),
        ("a.sh", "Dockerfile", "RUN ./a.sh && \\\n  b", [(1, "dockerfile", True, "./a.sh")]),
        ("a.sh", "Dockerfile", 'CMD ["./a.sh"]', [(1, "dockerfile", True, "./a.sh")]),
        ("a.sh", "Dockerfile", 'ENTRYPOINT ["/a.sh"]', [(1, "dockerfile", False, None)]),
        ("a.sh", "Dockerfile", "# COPY a.sh /x/", [(1, "dockerfile", False, "a.sh")]),
        ("a.sh", "Dockerfile", "COPY b.sh a.sh", []),
        ("a.sh", "Dockerfile", "COPY --from=build a.sh /x/", []),
        ("a.sh", "Dockerfile", "COPY --from=build /app/a.sh \\\n ./a.sh", []),
        ("a.sh", "Dockerfile", "ADD https://example.com/a.sh /x/", []),
        ("a.sh", "Dockerfile", "COPY other/a.sh /x/", []),
        ("a.sh", "a.Dockerfile", b"COPY a.sh /x/\n# \xff\n", [(1, "dockerfile", True, "a.sh")]),
    ],
)
def test_dockerfile(target, user, content, expected):
    assert uses(target, user, content) == expected


@pytest.mark.parametrize(
    "content, pattern, paths",
    [
        ("COPY conf/ /x", "conf", ("conf/a.old", "conf/b")),
        ("COPY ./conf /x", "conf", ("conf/a.old", "conf/b")),
        ("COPY conf/*.old /x", "conf/*.old", ("conf/a.old",)),
        ('COPY ["con?", "/x"]', "con?", ("conf/a.old", "conf/b")),
    ],
)
def test_dockerfile_groups(content, pattern, paths):
    assert groups(["conf/a.old"], "Dockerfile", content, ["conf/b", "z"]) == [(1, "dockerfile", pattern, paths)]


@pytest.mark.parametrize(
    "content", ["COPY . /x", "COPY ./ /x", "COPY other/ /x", "COPY --from=b conf/ /x", "COPY *.md /x"]
)
def test_dockerfile_without_groups(content):
    assert groups(["conf/a.old"], "Dockerfile", content, ["conf/b", "other/a"]) == []


def test_the_context_is_what_compose_says():
    files = {
        "svc/Dockerfile": "COPY a.sh /x/",
        "compose.yml": "services:\n  web:\n    build:\n      context: svc\n",
    }
    found = search(["a.sh", "svc/a.sh"], files)
    assert told(found, "svc/a.sh", files) == [(1, "dockerfile", True, "a.sh")]
    assert told(found, "a.sh", files) == []
    del files["compose.yml"]
    found = search(["a.sh", "svc/a.sh"], files)
    assert [told(found, target, files) for target in ("a.sh", "svc/a.sh")] == [[(1, "dockerfile", True, None)]] * 2
