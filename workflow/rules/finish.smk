# What a person reads at the end of a run: what failed, where and why.
import sys


def finish(succeeded):
    """Write every plate's failures.csv, judge the screen by what there is, and print a summary."""
    # Handlers of plugins write in a thread of their own; the last events may not be written yet.
    manager = workflow.logger_manager
    if manager.queue_listener:
        manager.queue_listener.stop()
    noted = [
        handler.path for handler in manager.plugin_handlers if hasattr(handler, "path")
    ]
    events = next((path for path in noted if path), None)
    text = call_in_subprocess(
        "levelfield.runs.finish", "finish_run", PLAN, events, succeeded
    )
    print(text, file=sys.stderr)
    if manager.queue_listener:
        manager.queue_listener.start()


onsuccess:
    finish(True)


onerror:
    finish(False)
