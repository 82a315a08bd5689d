"""A logger plugin for Snakemake, which notes what becomes of the jobs of a run.

Every run gets a file of JSON lines in ``.snakemake/levelfield`` of the folder that it works in; a
dry run gets none. Snakemake finds plugins by the name of their package and loads them whenever it
starts, so that nothing else of Levelfield is imported here. `levelfield.runs.events` reads the
files. Only the main process has loggers: jobs that a cluster runs write none.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from logging import LogRecord
from pathlib import Path
from typing import Any, TextIO

from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent

FOLDER = Path(".snakemake") / "levelfield"


class LogHandler(LogHandlerBase):
    """Writes the events of a run, one JSON object a line."""

    def __post_init__(self) -> None:
        self._file: TextIO | None = None
        self._jobs: dict[int, dict[str, Any]] = {}

    @property
    def path(self) -> Path | None:
        """The file of this run, once it has begun."""
        return Path(self._file.name) if self._file else None

    def emit(self, record: LogRecord) -> None:
        """Write what a record tells of a job; all others are of no interest."""
        translate = _EVENTS.get(getattr(record, "event", None) or "")
        if translate is None or self.common_settings.dryrun:
            return
        try:
            for event in translate(record):
                self._write(event)
        except OSError:
            self.handleError(record)

    def _write(self, event: dict[str, Any]) -> None:
        if event["event"] == "started":
            self._jobs[event["jobid"]] = {key: event[key] for key in ("rule", "wildcards", "log")}
        event = self._jobs.get(event.get("jobid", -1), {}) | event
        if self._file is None:
            FOLDER.mkdir(parents=True, exist_ok=True)
            name = datetime.now().strftime("%Y-%m-%dT%H%M%S.%f")
            self._file = (FOLDER / f"{name}.jsonl").absolute().open("w")
        now = datetime.now().astimezone().isoformat(timespec="milliseconds")
        self._file.write(json.dumps({"time": now} | event) + "\n")
        self._file.flush()

    def close(self) -> None:
        """Note that the run has ended."""
        if self._file is not None:
            self._write({"event": "run_ended"})
            self._file.close()
            self._file = None
        super().close()

    @property
    def writes_to_stream(self) -> bool:
        """Nothing is written to the terminal: Snakemake does that itself."""
        return False

    @property
    def writes_to_file(self) -> bool:
        """Snakemake is not told of the file, as it has no name before the run begins."""
        return False

    @property
    def has_filter(self) -> bool:
        """Whatever ``--quiet`` says, all events of jobs are noted."""
        return True

    @property
    def has_formatter(self) -> bool:
        """The events are written as they are."""
        return True

    @property
    def needs_rulegraph(self) -> bool:
        """The graph of rules is not needed."""
        return False


def _run_started(record: LogRecord) -> Iterable[dict[str, Any]]:
    yield {"event": "run_started", "snakefile": str(getattr(record, "snakefile_main", ""))}


def _started(record: LogRecord) -> Iterable[dict[str, Any]]:
    yield {"event": "started"} | _job(vars(record))


def _finished(record: LogRecord) -> Iterable[dict[str, Any]]:
    yield {"event": "finished", "jobid": getattr(record, "job_id", -1)}


def _failed(record: LogRecord) -> Iterable[dict[str, Any]]:
    yield _failure(vars(record), "")


def _group_failed(record: LogRecord) -> Iterable[dict[str, Any]]:
    for info in getattr(record, "job_error_info", ()):
        yield _failure(info, str(getattr(record, "msg", "") or ""))


def _failure(info: Mapping[str, Any], message: str) -> dict[str, Any]:
    told = info.get("rule_msg")
    return {"event": "failed", "message": str(told) if told else message} | _job(info)


def _job(info: Mapping[str, Any]) -> dict[str, Any]:
    found = {
        "jobid": info.get("jobid", -1),
        "rule": info.get("rule_name", ""),
        "log": [str(path) for path in info.get("log") or ()][:1],
    }
    wildcards = info.get("wildcards")
    if wildcards is not None:
        found["wildcards"] = {str(name): str(value) for name, value in wildcards.items()}
    return found


_EVENTS: Mapping[str, Callable[[LogRecord], Iterable[dict[str, Any]]]] = {
    LogEvent.WORKFLOW_STARTED: _run_started,
    LogEvent.JOB_INFO: _started,
    LogEvent.JOB_FINISHED: _finished,
    LogEvent.JOB_ERROR: _failed,
    LogEvent.GROUP_ERROR: _group_failed,
}
