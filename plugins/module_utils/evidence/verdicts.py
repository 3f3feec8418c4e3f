# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether a migration met the plan's success criteria, judged from what it recorded and from what is seen now."""

from __future__ import annotations

import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.evidence import words

Report = t.Mapping[str, t.Any]
Figure = t.Union[int, float, None]
#: The criteria by name, in the plan's order.
CRITERIA = {
    "phases": "Phases done",
    "root_files": "Files in the repository's root",
    "protected": "Protected files changed",
    "nodes": "Nodes Ready",
    "gpus": "Nodes that offer GPUs",
    "workflow": "Workflows that deliver",
    "share": "Traffic on K3s",
    "requests": "Requests measured",
    "failed": "Requests failed",
    "endpoints": "Endpoints that answer 200",
    "rag": "RAG pipeline, queries answered",
    "build_time": "Time to build",
    "deploy_time": "Time to deploy",
    "cost": "Cost, node-hours a day",
    "services_left": "Services left on the Swarm",
    "nodes_left": "Nodes left in the Swarm",
}


class Wanted(t.NamedTuple):
    """The thresholds, and what they are compared by."""

    nodes: int = 0
    gpu_nodes: int = 0
    services: t.Sequence[str] = ()  # that the edge routes
    workflow: str = ".github/workflows/unified-deployment.yml"
    replaced: t.Sequence[str] = ()  # workflows in whose place it is
    machines_before: int = 0  # that the Swarm ran on
    machines_beside: int = 0  # that are kept and are no node of the cluster
    root_files_below: int = 100
    requests: int = 1
    build_below_s: float = 600
    deploy_below_s: float = 900
    waived: t.Mapping[str, str] = {}  # from a criterion that can't be measured here to the reason


class Measure(t.NamedTuple):
    """One figure: what it is, what was wanted, where it is from (and when, None for now), and what to do where there is none."""

    key: str
    figure: Figure
    threshold: str
    met: bool
    source: str
    mend: str
    time: str | None = None
    detail: str = ""
    show: t.Callable[[float], str] = words.number
    live: bool = False


def judge(report: Report, found: Report, wanted: Wanted) -> list[dict[str, t.Any]]:
    """A verdict a criterion, in the order of RV(CRITERIA): C({key, criterion, figure, shown, threshold, source, time, live, detail,
    mend, status, line}), where C(status) is C(met), C(missed) or C(waived).

    O(report) is the content of report.json, empty where there is none; O(found) is that of RV(live.look). A figure that was not
    measured is None and missed, unless it is waived. A waiver does not excuse a figure that was measured. Raises C(ValueError) for
    a waiver of something else.
    """
    unknown = sorted(set(wanted.waived) - set(CRITERIA))
    if unknown:
        raise ValueError(
            f"evidence_waived names {', '.join(unknown)}, which is no criterion: they are {', '.join(CRITERIA)}"
        )
    measures = {measure.key: measure for measure in [*_recorded(report, wanted), *_seen(report, found, wanted)]}
    return [_verdict(measures[key], wanted.waived.get(key, "")) for key in CRITERIA]


def _recorded(report: Report, wanted: Wanted) -> t.Iterator[Measure]:
    """What only the evidence can tell."""
    phases = report.get("phases") or {}
    done = sum(1 for phase in phases.values() if phase["status"] == "ok") if phases else None
    last = [phase.get("recorded") for phase in phases.values() if phase.get("recorded")]
    yield _exactly("phases", done, len(phases) or 4, "phases", max(last, default=None), _run("every phase"))
    requests = (report.get("cutover") or {}).get("requests") or {}
    ended = (phases.get("cutover") or {}).get("ended")
    total, failed = requests.get("total"), requests.get("failed")
    yield Measure(
        "requests",
        total,
        f"at least {words.number(wanted.requests)}",
        total is not None and total >= wanted.requests,
        "report.json: cutover.requests.total",
        _run("phases 2 to 4"),
        ended,
    )
    yield _exactly("failed", failed, 0, "cutover.requests.failed", ended, _run("phases 2 to 4"))
    for key, part, name, phase in (
        ("protected", "repository", "protected_changed", "repository"),
        ("services_left", "swarm", "services_left", "cutover"),
        ("nodes_left", "swarm", "nodes_left", "cutover"),
    ):
        time = (phases.get(phase) or {}).get("recorded")
        yield _exactly(key, (report.get(part) or {}).get(name), 0, f"{part}.{name}", time, _run(f"phase {phase}"))


def _seen(report: Report, found: Report, wanted: Wanted) -> t.Iterator[Measure]:
    """What is measured now, as far as it can be."""
    why = found.get("why") or {}
    yield _live(
        "root_files",
        found.get("root_files"),
        f"below {wanted.root_files_below}",
        lambda figure: figure < wanted.root_files_below,
        "the checkout",
        _mend(why.get("audit"), "set evidence_repository to the checkout on this controller"),
    )
    yield from _cluster(found.get("nodes"), wanted, why.get("nodes"))
    yield _workflow(found.get("workflows"), wanted, why.get("workflows"))
    yield from _edge(found, wanted, why)
    yield from _times(report, found.get("run"), wanted)
    yield _cost(found, wanted, why)


def _cluster(nodes: t.Sequence[Report] | None, wanted: Wanted, why: str | None) -> t.Iterator[Measure]:
    mend = _mend(why, "set evidence_kubeconfig to the kubeconfig of phase 2, and see that the API server answers")
    ready = None if nodes is None else sum(1 for node in nodes if node["ready"])
    gpus = None if nodes is None else sum(1 for node in nodes if node["gpus"])
    source = "the cluster's API"
    yield _live(
        "nodes",
        ready,
        str(wanted.nodes),
        lambda figure: figure == wanted.nodes,
        source,
        mend,
        _lacking("not Ready", nodes, "ready"),
    )
    yield _live(
        "gpus",
        gpus,
        f"at least {wanted.gpu_nodes}",
        lambda figure: figure >= wanted.gpu_nodes,
        source,
        mend,
        _lacking("without", nodes, "gpus"),
    )


def _workflow(paths: t.Sequence[str] | None, wanted: Wanted, why: str | None) -> Measure:
    """The unified workflow and no other of those that it replaces."""
    there = [one for one in (wanted.workflow, *wanted.replaced) if any(_ends(path, one) for path in paths or [])]
    return _live(
        "workflow",
        None if paths is None else len(there),
        f"1, {wanted.workflow}",
        lambda _figure: there == [wanted.workflow],
        "the checkout",
        _mend(why, "set evidence_repository to the checkout on this controller"),
        "" if there == [wanted.workflow] else _names(there),
    )


def _edge(found: Report, wanted: Wanted, why: Report) -> t.Iterator[Measure]:
    reach = "set evidence_services to the services that the edge routes, and see that every host of group edge can be reached"
    endpoints, shares, queries = (found.get(name) for name in ("endpoints", "shares", "queries"))
    edges = endpoints or shares or queries or {}
    source = f"the edge on {_names(edges)}"
    behind = {name: min(edge.get(name, 0.0) for edge in shares.values()) for name in wanted.services} if shares else {}
    share = min(behind.values(), default=None)
    yield _live(
        "share",
        share,
        "100 %",
        lambda figure: figure == 100,
        f"{source}: the weights of {_counted(len(behind), 'service')}",
        _mend(why.get("shares"), reach),
        _names(f"{name} {words.number(part)} %" for name, part in behind.items() if part < 100),
        lambda figure: f"{words.number(figure)} %",
    )
    yield _all("endpoints", _by_name(endpoints), source, _mend(why.get("endpoints"), reach))
    yield _all(
        "rag",
        _by_name(queries),
        source,
        _mend(why.get("queries"), "set evidence_queries, one of which the RAG pipeline answers"),
    )


def _times(report: Report, run: Report | None, wanted: Wanted) -> t.Iterator[Measure]:
    """Of a run of the workflow; without one, phase 3 is a deployment of all services, and takes no less."""
    kept = "keep a run of the workflow as workflow-run.json in evidence_artifacts: gh api repos/OWNER/NAME/actions/runs/RUN/jobs"
    mend = _mend((run or {}).get("why"), kept)
    build, deploy = ((run or {}).get(key) for key in ("build_s", "deploy_s"))
    time = (run or {}).get("time")
    yield _below("build_time", build, wanted.build_below_s, "workflow-run.json", mend, time)
    if deploy is None and run is None:
        phase = (report.get("phases") or {}).get("platform") or {}
        yield _below(
            "deploy_time",
            phase.get("seconds"),
            wanted.deploy_below_s,
            "report.json: phases.platform.seconds",
            f"run phase platform, or {kept}",
            phase.get("ended"),
        )
    else:
        yield _below("deploy_time", deploy, wanted.deploy_below_s, "workflow-run.json", mend, time)


def _cost(found: Report, wanted: Wanted, why: Report) -> Measure:
    """Machines that are paid for: those that the Swarm ran on, against the cluster's nodes and the machines beside it."""
    nodes, asked = found.get("nodes"), found.get("asked") or {}
    machines = None if nodes is None else len(nodes) + wanted.machines_beside
    parts = [
        f"{words.percent(asked[key])} of the {name}"
        for key, name in (("cpu", "CPU"), ("memory", "memory"))
        if asked.get(key) is not None
    ]
    detail = f"requests take {' and '.join(parts)}" if parts else "what is requested was not measured"
    return _live(
        "cost",
        None if machines is None or not wanted.machines_before else 24 * machines,
        f"at most {24 * wanted.machines_before}, as on the Swarm's {_counted(wanted.machines_before, 'machine')}",
        lambda figure: figure <= 24 * wanted.machines_before,
        "the cluster's API and the inventory",
        _mend(why.get("nodes"), "set evidence_kubeconfig and evidence_machines_before"),
        detail,
    )


def _all(key: str, named: t.Mapping[str, bool] | None, source: str, mend: str) -> Measure:
    good = None if named is None else sum(named.values())
    count = len(named or {})
    silent = _names(name for name, well in (named or {}).items() if not well)
    return _live(
        key,
        good if count else None,
        f"all {count}" if count else "all, and at least one",
        lambda figure: figure == count,
        source,
        mend,
        f"not so: {silent}" if silent else "",
    )


def _by_name(edges: t.Mapping[str, t.Sequence[Report]] | None) -> dict[str, bool] | None:
    """Each by name, well where it is so through every edge."""
    if edges is None:
        return None
    named: dict[str, bool] = {}
    for one in (one for found in edges.values() for one in found):
        named[one["name"]] = named.get(one["name"], True) and one["ok"]
    return named


def _live(
    key: str,
    figure: Figure,
    threshold: str,
    test: t.Callable[[float], bool],
    source: str,
    mend: str,
    detail: str = "",
    show: t.Callable[[float], str] = words.number,
) -> Measure:
    return Measure(key, figure, threshold, figure is not None and test(figure), source, mend, None, detail, show, True)


def _exactly(key: str, figure: int | None, wanted: int, path: str, time: str | None, mend: str) -> Measure:
    return Measure(key, figure, str(wanted), figure == wanted, f"report.json: {path}", mend, time)


def _below(key: str, figure: Figure, limit: float, source: str, mend: str, time: str | None) -> Measure:
    met = figure is not None and figure < limit
    return Measure(key, figure, f"below {words.number(limit / 60)} min", met, source, mend, time, show=words.duration)


def _run(what: str) -> str:
    return f"run {what}, or point evidence_artifacts at the folder of the run"


def _mend(why: str | None, advice: str) -> str:
    return f"{why}; {advice}" if why else advice


def _ends(path: str, wanted: str) -> bool:
    return path == wanted or path.endswith("/" + wanted)


def _names(names: t.Iterable[str]) -> str:
    return ", ".join(names)


def _lacking(what: str, nodes: t.Sequence[Report] | None, key: str) -> str:
    lacking = [node["name"] for node in nodes or [] if not node[key]]
    return f"{what}: {_names(lacking)}" if lacking else ""


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" + ("" if count == 1 else "s")


def _verdict(measure: Measure, waived: str) -> dict[str, t.Any]:
    measured = measure.figure is not None
    status = "met" if measure.met else "waived" if waived and not measured else "missed"
    shown = measure.show(measure.figure) if measure.figure is not None else "not measured"
    if not measured:
        told = f"{waived if status == 'waived' else measure.mend}"
    else:
        when = "recorded while the phase went on" if measure.time is None else f"recorded {words.moment(measure.time)}"
        told = f"{measure.source}, {'now' if measure.live else when}{'; ' + measure.detail if measure.detail else ''}"
    criterion = CRITERIA[measure.key]
    return {
        "key": measure.key,
        "criterion": criterion,
        "figure": measure.figure,
        "shown": shown,
        "threshold": measure.threshold,
        "source": measure.source,
        "time": measure.time,
        "live": measure.live,
        "status": status,
        "told": told,
        "line": f"{_WORDS[status]}  {criterion}: {shown} (wanted: {measure.threshold}; {told})",
    }


_WORDS = {"met": "met   ", "missed": "MISSED", "waived": "waived"}
