# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How long a run of the unified workflow took, from what GitHub says of its jobs.

Source: https://docs.github.com/en/rest/actions/workflow-jobs#list-jobs-for-a-workflow-run
"""

from __future__ import annotations

import datetime
import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.evidence import words

#: The jobs of the workflow that role delivery writes. A matrix makes several of "Build".
BUILD, PUBLISH, DEPLOY = "Build ", "Publish", "Deploy"


def read_run(answer: t.Any) -> dict[str, t.Any]:
    """C({build_s, deploy_s, time, url, why}) of a run: from the first build's start until all images had their tags, and from the
    start to the end of the deployment; C(time) is the run's last end. What is not there, or did not end well, is None, and
    C(why) says why."""
    jobs = answer.get("jobs") if isinstance(answer, dict) else None
    if not isinstance(jobs, list) or not all(isinstance(job, dict) for job in jobs):
        return {**dict.fromkeys(("build_s", "deploy_s", "time", "url")), "why": "it does not list the jobs of a run"}
    build = [job for job in jobs if str(job.get("name")).startswith(BUILD) or job.get("name") == PUBLISH]
    deploy = [job for job in jobs if job.get("name") == DEPLOY]
    bad = [
        f"{job.get('name')}: {job.get('conclusion')}" for job in build + deploy if job.get("conclusion") != "success"
    ]
    ends = [end for end in (_time(job, "completed_at") for job in build + deploy) if end is not None]
    whole = any(job.get("name") == PUBLISH for job in build) and len(build) > 1
    return {
        "build_s": None if bad or not whole else _seconds(build),
        "deploy_s": None if bad or not deploy else _seconds(deploy),
        "time": words.iso(max(ends)) if ends else None,
        "url": str(deploy[0].get("html_url") or "") if deploy else None,
        "why": f"jobs that did not end well: {', '.join(bad)}" if bad else "it has no jobs of the unified workflow",
    }


def _seconds(jobs: t.Sequence[t.Mapping[str, t.Any]]) -> float | None:
    starts, ends = ([_time(job, key) for job in jobs] for key in ("started_at", "completed_at"))
    known = [time for time in starts + ends if time is not None]
    return max(known) - min(known) if len(known) == 2 * len(jobs) else None


def _time(job: t.Mapping[str, t.Any], key: str) -> float | None:
    try:
        return datetime.datetime.fromisoformat(str(job.get(key)).replace("Z", "+00:00")).timestamp()
    except ValueError:
        return None
