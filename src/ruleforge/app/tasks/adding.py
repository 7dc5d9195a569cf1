"""Make tasks: of sources, of the rules that were forged of them, and of what agents proposed."""

from collections.abc import Callable, Collection, Sequence
from pathlib import Path

import msgspec

from ruleforge.app.tasks.candidates import author_of, candidate_task, proposals
from ruleforge.app.tasks.desk import Desk, GroundFile, Known
from ruleforge.app.tasks.review import review_task
from ruleforge.app.tasks.verdicts import SAMPLES_MOST, About, judge_tasks
from ruleforge.background.table import load_background
from ruleforge.errors import RuleForgeError, UsageError
from ruleforge.pipeline.history import read_revision
from ruleforge.pipeline.merge import doubtful, restrict
from ruleforge.pipeline.refusals import refuse_before
from ruleforge.pipeline.run import Prepared, RunOptions, prepare, traffic_folder
from ruleforge.records.advisory import Advisory
from ruleforge.rules.classes import classes_digest
from ruleforge.store.state import State
from ruleforge.store.tasks import ROLES, Role, Task

Progress = Callable[[str, int, int], None]  # (stage, done, of)
COPIES_MOST = 5


class Added(msgspec.Struct, frozen=True, kw_only=True):
    """What `tasks add` did."""

    new: dict[str, int]  # role → tasks that were not there before
    known: int = 0  # tasks that were there already
    advisories: int = 0  # that tasks are about
    left_out: tuple[str, ...] = ()  # a sentence for each advisory, rule or file without a task


def add_tasks(
    rules: Path,
    sources: Sequence[Path] = (),
    *,
    roles: Collection[str] = ("generate",),
    only: Collection[str] = (),
    benign: Sequence[Path] = (),
    background: Path | None = None,
    samples: int = 1,
    copies: int = 1,
    jobs: int = 0,
    progress: Progress = lambda *_: None,
) -> Added:
    """Add tasks about the advisories of `sources` to the queue of a folder of rules.

    Args:
        rules: the folder that `forge` writes to; it is made where there is none.
        sources: what `forge` reads; without any, what the rules there were forged from.
        roles: "generate": a candidate for each advisory. "judge": both questions about its rule.json and about each
            proposal that agents make. "review_help": the same for help with a review.
        only: CVEs or folders; none: all.
        benign: request files of ordinary traffic that candidates are tried on.
        background: a table of ordinary traffic; None: the one that ships.
        samples: how many agents judge each question, 1 to 5.
        copies: how many candidates are wanted for each advisory, from different agents, 1 to 5.
        jobs: processes; 0: one per core.
        progress: told (stage, done, of).

    Raises:
        UsageError: no such file (RF117), no source is known (RF158), nothing has one of the names (RF157).
        PolicyError: the queue is full (RF466).
    """
    paths = list(sources) or _forged_from(rules)
    for path in (*paths, *benign, *((background,) if background else ())):
        if not path.exists():
            raise UsageError("no such file or folder", where=str(path), hint="check the path", code="RF117")
    desk = Desk(rules)
    try:
        options = RunOptions(
            out=desk.place / "grounds",
            benign=tuple(benign),
            background=load_background(background) if background else None,
            jobs=jobs,
        )
        prepared = prepare(paths, options, progress)
        _keep_ground(desk, prepared, benign, background)
        chosen = _chosen(prepared.advisories, only)
        left_out = [str(problem) for _, problem in prepared.unread if problem.code != "RF218"]
        wanted = [role for role in ROLES if role in roles]
        tasks: list[Task] = []
        for done, (folder, advisory) in enumerate(sorted(chosen.items()), 1):
            made, why = _tasks_of(desk, folder, advisory, prepared.key, wanted, samples, copies)
            tasks += made
            left_out += [f"{folder}: {reason}" for reason in why]
            progress("tasks", done, len(chosen))
        return _added(desk, tasks, len(chosen), left_out)
    finally:
        desk.close()


def _added(desk: Desk, tasks: list[Task], advisories: int, left_out: list[str]) -> Added:
    counts = {role: desk.store.add([task for task in tasks if task.role == role]) for role in ROLES}
    new: dict[str, int] = {role: count for role, count in counts.items() if count}
    known = len(tasks) - sum(new.values())
    return Added(new=new, known=known, advisories=advisories, left_out=tuple(left_out))


def _forged_from(rules: Path) -> list[Path]:
    """The sources that the record of a folder of rules names."""
    found: dict[str, None] = {}
    if (rules / ".ruleforge" / "state.db").is_file():
        state = State.beside(rules)
        try:
            for _, outcome in state.known().values():
                found.update(dict.fromkeys(outcome.get("sources", ())))
        finally:
            state.close()
    if not found:
        what = "it is not known what these rules were forged from"
        raise UsageError(what, where=str(rules), hint="name the sources", code="RF158")
    return [Path(source) for source in found]


def _keep_ground(desk: Desk, prepared: Prepared, benign: Sequence[Path], background: Path | None) -> None:
    place = prepared.place.relative_to(desk.place)
    desk.keep_ground(
        prepared.key,
        GroundFile(
            corpus=str(place / "corpus"),
            benign=tuple(str(place / traffic_folder(path, Path(), "benign").name) for path in benign),
            background=str(background.resolve()) if background else "",
            classes=classes_digest(),
        ),
    )


def _chosen(advisories: dict[str, Advisory], only: Collection[str]) -> dict[str, Advisory]:
    if not only:
        return advisories
    names = {name.upper() for name in only}
    found = {
        folder: advisory
        for folder, advisory in advisories.items()
        if names & {folder.upper(), *(cve.upper() for cve in advisory.cves)}
    }
    met = {name.upper() for folder, advisory in found.items() for name in (folder, *advisory.cves)}
    missing = [name for name in only if name.upper() not in met]
    if missing:
        raise UsageError(f"no advisory {missing[0][:60]!r} in the sources", hint="check the name", code="RF157")
    return found


def _tasks_of(
    desk: Desk, folder: str, advisory: Advisory, ground: str, roles: Sequence[Role], samples: int, copies: int
) -> tuple[list[Task], list[str]]:
    """The tasks about one advisory, and why some are left out."""
    refusal = refuse_before(advisory)
    if refusal is not None:
        return [], [f"no agent is asked ({refusal[0]}: {refusal[1]})"]
    doubted = doubtful(advisory)
    if doubted:  # as forging does: what shows no attack must not stand in the way of a rule
        advisory = restrict(advisory, [n for n in range(len(advisory.sources)) if n not in doubted])
    desk.keep_advisory(ground, folder, advisory)
    subject = advisory.cves[0] if advisory.cves else folder
    follow = tuple(role for role in roles if role != "generate")
    tasks: list[Task] = []
    why: list[str] = []
    if "generate" in roles:
        wanted = range(min(max(copies, 1), COPIES_MOST))
        tasks += [candidate_task(desk, folder, subject, ground, advisory, follow, samples, copy) for copy in wanted]
    if not follow:
        return tasks, why
    abouts, left_out = _rules_of(desk, folder, subject, ground)
    why += left_out
    if not abouts and not left_out and "generate" not in roles:
        why.append("there is no rule to judge; add the role generate, too")
    for about in abouts:
        try:
            made, problems = tasks_about(desk, about, desk.known(folder, ground), follow, samples)
        except Exception as problem:  # noqa: BLE001 - one advisory that breaks a part must not lose the others
            made, problems = [], (f"its evidence cannot be gathered: {problem}"[:300],)
        tasks += made
        why += [f"{about.origin}: {told}" for told in problems]
    return tasks, why


def _rules_of(desk: Desk, folder: str, subject: str, ground: str) -> tuple[list[About], list[str]]:
    """The rule of an advisory and the proposals for it, and why others that lie there cannot be judged."""
    found: list[About] = []
    left_out: list[str] = []
    file = desk.rules / folder / "rule.json"
    rule = read_revision(file)
    if rule is not None:
        found.append(About(rule=rule, advisory=folder, subject=subject, ground=ground, origin="rule.json"))
    elif file.is_file():
        left_out.append("its rule.json does not load")
    for proposal in proposals(desk.rules, folder):
        proposed, (author, model) = read_revision(proposal), author_of(proposal)
        origin = f"{proposal.parent.name}/{proposal.name}"
        if proposed is None or not author:
            left_out.append(
                f"{origin} " + ("does not load" if proposed is None else "has no papers that name its author")
            )
            continue
        found.append(
            About(
                rule=proposed,
                advisory=folder,
                subject=subject,
                ground=ground,
                origin=origin,
                author=author,
                model=model,
            )
        )
    return found, left_out


def tasks_about(
    desk: Desk, about: About, known: Known, roles: Collection[Role], samples: int
) -> tuple[list[Task], tuple[str, ...]]:
    """The tasks of judging a rule and of helping to review it, for the roles that are wanted, and why some lack."""
    tasks: list[Task] = []
    why: tuple[str, ...] = ()
    if "judge" in roles:
        tasks, why = judge_tasks(desk, about, known, min(max(samples, 1), SAMPLES_MOST))
    if "review_help" in roles:
        tasks = [*tasks, review_task(desk, about, known)]
    return tasks, why


def follow_up(desk: Desk, about: About, known: Known, task: Task) -> tuple[str, ...]:
    """Add the tasks that a proposal brings; what cannot be made is told and stops nothing."""
    try:
        tasks, why = tasks_about(desk, about, known, task.follow, task.samples)
        desk.store.add(tasks)
    except RuleForgeError as problem:
        return (f"no task about the proposal could be added: {problem}",)
    return tuple(f"It cannot be judged: {each}." for each in why)
