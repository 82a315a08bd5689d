# The verdict of the screen by all its plates, and by those that are finished.

FINISHED = PLAN.finished_plates()


rule qc_screen:
    input:
        estimates=every_plate("qc_plate", "estimates"),
        reviewed=every_plate("qc_plate", "reviewed"),
        answers=every_plate("qc_plate", "answers"),
        plates=every_plate("summarise_plate", "plate"),
    output:
        **all_files("qc_screen", but=["verdict"]),
        verdict=report(
            PATHS.file("qc_screen", "verdict"),
            category="Verdict",
            caption="../report/verdict.rst",
            labels={"plate": "the whole screen"},
        ),
    log:
        PATHS.log("qc_screen"),
    benchmark:
        PATHS.timing("qc_screen")
    conda:
        "../../envs/levelfield-core.yaml"
    params:
        science=science("channels", "objects", "qc"),
    message:
        "Judging the screen"
    script:
        "../../scripts/qc_screen.py"


rule report_screen:
    input:
        plates=rules.qc_screen.output.plates,
        answers=rules.qc_screen.output.answers,
        all_answers=every_plate("qc_plate", "answers"),
        verdict=rules.qc_screen.output.verdict,
        drift=rules.qc_screen.output.drift,
        verdicts=every_plate("qc_plate", "verdict"),
        readouts=every_plate("summarise_plate", "readouts"),
    output:
        report(
            PATHS.file("report_screen"),
            category="Reports",
            caption="../report/screen_report.rst",
            labels={"plate": "the whole screen"},
        ),
    log:
        PATHS.log("report_screen"),
    benchmark:
        PATHS.timing("report_screen")
    conda:
        "../../envs/levelfield-core.yaml"
    params:
        unfinished=[],
    message:
        "Writing the report of the screen"
    script:
        "../../scripts/report_screen.py"


# No other rule takes from these: what they make is of the plates that are finished now.
use rule qc_screen as qc_partial with:
    input:
        estimates=expand(PATHS.file("qc_plate", "estimates"), plate=FINISHED),
        reviewed=expand(PATHS.file("qc_plate", "reviewed"), plate=FINISHED),
        answers=expand(PATHS.file("qc_plate", "answers"), plate=FINISHED),
        plates=expand(PATHS.file("summarise_plate", "plate"), plate=FINISHED),
    output:
        **all_files("qc_partial"),
    log:
        PATHS.log("qc_partial"),
    benchmark:
        PATHS.timing("qc_partial")
    message:
        "Judging the screen by its finished plates"


use rule report_screen as report_partial with:
    input:
        plates=rules.qc_partial.output.plates,
        answers=rules.qc_partial.output.answers,
        all_answers=expand(PATHS.file("qc_plate", "answers"), plate=FINISHED),
        verdict=rules.qc_partial.output.verdict,
        drift=rules.qc_partial.output.drift,
        verdicts=expand(PATHS.file("qc_plate", "verdict"), plate=FINISHED),
        readouts=expand(PATHS.file("summarise_plate", "readouts"), plate=FINISHED),
    output:
        PATHS.file("report_partial"),
    log:
        PATHS.log("report_partial"),
    benchmark:
        PATHS.timing("report_partial")
    params:
        unfinished=[name for name in PLATES if name not in FINISHED],
    message:
        "Writing the report of the finished plates"
