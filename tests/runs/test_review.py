"""The review page on demand, and what it sends back when it is served."""

import http.client
import threading
from types import SimpleNamespace

import pandas as pd
import pytest
from review_cases import PLATE, answered, draws_of, plate

from levelfield.io.tables import write_csv
from levelfield.qc.review.sampling import choose_for_review
from levelfield.runs.review import make_page, save_answers
from levelfield.runs.review_server import ReviewServer


@pytest.fixture
def plan(tmp_path):
    """A plan of one judged plate, as far as the review asks it."""
    listed = choose_for_review(draws_of(plate()))
    (tmp_path / PLATE / "qc").mkdir(parents=True)
    write_csv(listed, tmp_path / PLATE / "qc" / "review_list.csv")
    return SimpleNamespace(
        plates={PLATE: None},
        results=SimpleNamespace(path=str(tmp_path)),
        review_path=lambda name: tmp_path / "answers" / "review.csv",
    )


def text_of(sheet):
    return sheet.to_csv(index=False, lineterminator="\n")


def test_answers_are_checked_and_written_and_those_of_others_stay(plan):
    first, path = answered(plate(), first=4), plan.review_path(PLATE)
    assert save_answers(plan, PLATE, text_of(first)).startswith("4 crops saved in")
    other = first.assign(plate="P2")
    write_csv(pd.concat([first, other]), path)
    save_answers(plan, PLATE, text_of(answered(plate(), first=2, reviewer="B")))
    save_answers(plan, PLATE, text_of(answered(plate(), first=6)))
    kept = pd.read_csv(path, dtype=str, keep_default_na=False)
    finished = kept[kept["answer"] == "missed"].groupby(["plate", "reviewer"]).size().to_dict()
    assert finished == {("P1", "A"): 6, ("P1", "B"): 2, ("P2", "A"): 4}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"answer": "perhaps"}, "holds 'perhaps'"),
        ({"plate": "P2"}, "not of plate 'P1'"),
        ({"sample": "0" * 16}, "judged again since"),
        ({"reviewer": " "}, "no reviewer"),
    ],
)
def test_what_the_workflow_would_refuse_is_not_written(plan, change, words):
    sheet = answered(plate(), first=2)
    for name, value in change.items():
        sheet.loc[0, name] = value
    with pytest.raises(ValueError, match=words):
        save_answers(plan, PLATE, text_of(sheet))
    assert not plan.review_path(PLATE).exists()


def test_a_plate_that_is_unknown_or_not_judged_is_named(plan, tmp_path):
    with pytest.raises(FileNotFoundError, match="knows no plate 'P9'"):
        make_page(plan, "P9")
    (tmp_path / PLATE / "qc" / "review_list.csv").unlink()
    with pytest.raises(FileNotFoundError, match="not judged yet"):
        make_page(plan, PLATE)


@pytest.fixture
def server(plan, tmp_path):
    page = tmp_path / "review.html"
    page.write_text("<p>the page</p>")
    with ReviewServer(page, lambda text: save_answers(plan, PLATE, text)) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()


def asked(server, method, path, body=None, host=None):
    link = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=20)
    link.request(method, path, body, {"Host": host} if host else {})
    answer = link.getresponse()
    return answer.status, answer.read().decode()


def test_the_server_listens_on_this_machine_alone_and_wants_its_token(server, plan):
    assert server.server_address[0] == "127.0.0.1"
    secret = f"?token={server.token}"
    assert asked(server, "GET", f"/{secret}") == (200, "<p>the page</p>")
    sheet = text_of(answered(plate(), first=2))
    for path, host in (("/", None), ("/?token=x", None), (f"/{secret}", "evil.example:80")):
        assert asked(server, "GET", path, host=host)[0] == 403
        assert asked(server, "POST", f"/review.csv{path[1:]}", sheet, host)[0] == 403
    assert asked(server, "GET", f"/../secret{secret}")[0] == 404
    assert not plan.review_path(PLATE).exists()


def test_answers_that_are_sent_are_saved_and_wrong_ones_answered_in_words(server, plan):
    path = f"/review.csv?token={server.token}"
    status, words = asked(server, "POST", path, text_of(answered(plate(), first=2)))
    assert status == 200 and words.startswith("2 crops saved")
    wrong = answered(plate(), first=2).assign(answer="perhaps")
    status, words = asked(server, "POST", path, text_of(wrong))
    assert status == 400 and "holds 'perhaps'" in words
    assert "perhaps" not in plan.review_path(PLATE).read_text()
