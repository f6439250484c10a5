"""Messages reach real receivers, and none of them can hold up or hurt who sends."""

import socket
import time

import pytest
from message_receiver import receiver

from pipelines.core.errors import SettingError
from pipelines.core.sections import MessagesParams
from pipelines.core.settings import Settings
from pipelines.messages import messenger
from pipelines.messages.message import Kind
from pipelines.messages.messenger import Messenger
from pipelines.messages.receivers import opened

AT_ONCE = MessagesParams(digest_min=0.0)


def settings(*addresses, **others):
    """Settings with these addresses."""
    return Settings(_env_file=None, messages=" ".join(addresses), **others)


def test_a_message_arrives_with_its_link():
    """What is said is posted to the receiver, with the page that it leads to."""
    with receiver() as caught:
        sender = Messenger.of(settings(caught.address, page_url="http://bot.example:3000/"), AT_ONCE)
        sender.say(Kind.FILL, "bought 20 YES at 0.43", page="/market/0x1")

        found = caught.wait()
        assert found["title"] == "oddsmith: fill"
        assert found["message"].endswith("fill: bought 20 YES at 0.43\nhttp://bot.example:3000/market/0x1")
        assert found["type"] == "info"
        sender.close()


def test_an_address_takes_its_least_level_and_above():
    """`critical=URL` gets what is critical alone; an address without a level gets what params.yaml says."""
    with receiver() as urgent, receiver() as all_of_it:
        sender = Messenger.of(settings(f"critical={urgent.address}", all_of_it.address), AT_ONCE)
        sender.say(Kind.FILL, "bought")
        sender.say(Kind.KILL, "the kill switch is on")
        sender.close()

        assert [one["title"] for one in urgent.messages] == ["oddsmith: kill switch"]
        text = "\n".join(one["message"] for one in all_of_it.messages)
        assert "bought" in text
        assert "the kill switch is on" in text


def test_a_digest_is_one_message_and_the_end_of_the_process_loses_none():
    """Levels that may wait are sent together; closing sends what waits."""
    with receiver() as caught:
        sender = Messenger.of(settings(caught.address), MessagesParams(digest_min=60.0))
        for number in range(5):
            sender.say(Kind.FILL, f"fill number {number}")
        assert caught.messages == []

        assert sender.close()
        assert [one["title"] for one in caught.messages] == ["oddsmith: 5 messages"]
        assert all(f"fill number {number}" in caught.messages[0]["message"] for number in range(5))


def test_a_receiver_that_is_away_holds_up_neither_the_sender_nor_the_others():
    """Saying returns at once and raises nothing; a receiver that answers gets its message in time."""
    with socket.create_server(("127.0.0.1", 0)) as silent, receiver() as caught:
        hanging = f"json://127.0.0.1:{silent.getsockname()[1]}/"
        refused = "json://127.0.0.1:1/"
        counted = []
        sender = Messenger.of(
            settings(hanging, refused, caught.address), AT_ONCE, lambda name, what, n: counted.append((name, what, n))
        )
        started = time.monotonic()
        for number in range(200):
            sender.say(Kind.TROUBLE, f"trouble {number}")
        assert time.monotonic() - started < 0.5

        caught.wait()
        sender.close(limit_s=8.0)
        text = "\n".join(one["message"] for one in caught.messages)
        assert "trouble 0" in text
        assert ("3 json", "sent") in {(name, what) for name, what, _ in counted}
        assert ("2 json", "failed") in {(name, what) for name, what, _ in counted}


def test_a_refusal_of_the_receiver_is_tried_again():
    """A notification that was answered with an error is sent again, and counted as sent once it was taken."""
    with receiver() as caught:
        caught.status = 500
        counted = []
        (only,) = opened(caught.address, AT_ONCE, lambda *given: counted.append(given))
        only._retry_after_s = (0.2, 0.2, 0.2)
        sender = Messenger([only])
        sender.say(Kind.KILL, "on")
        caught.wait()
        caught.status = 200
        caught.wait()
        sender.close()

        assert counted == [("1 json", "sent", 1)]


def test_the_same_trouble_is_told_once_and_counted():
    """A trouble that comes and goes is one message until its time has passed; the next one says how often."""
    with receiver() as caught:
        sender = Messenger(opened(caught.address, AT_ONCE), repeat_after_s=0.4)
        for _ in range(5):
            sender.say(Kind.TROUBLE, "no market message", key="feed")
        caught.wait()
        time.sleep(0.5)
        sender.say(Kind.TROUBLE, "no market message", key="feed")
        sender.close()

        assert len(caught.messages) == 2
        assert caught.messages[1]["message"].endswith("no market message (5 times)")


def test_no_address_is_ever_shown(capfd, caplog):
    """Neither a refusal, nor a failure, nor the settings print a token or password of an address."""
    with receiver() as caught:
        caught.status = 401
        chosen = settings(caught.address)
        assert messenger.test(chosen, AT_ONCE) == {"1 json": False}
        assert "hunter2secret" not in repr(chosen)
        for wrong in ("tgrm://hunter2secret/1", "hunter2secret", "tgram://hunter2secret", "slack:hunter2secret"):
            with pytest.raises(SettingError) as refused:
                messenger.check(settings(wrong))
            assert "hunter2secret" not in str(refused.value)

    shown = "".join(capfd.readouterr()) + caplog.text
    assert "hunter2secret" not in shown


def test_an_unknown_scheme_is_refused_with_the_nearest():
    """A mistyped service is named with what it should be, by the number of the address."""
    with pytest.raises(SettingError, match=r"address 2 .*'tgrm'.*did you mean tgram://"):
        messenger.check(settings("json://127.0.0.1:1", "tgrm://token/chat"))


def test_telling_from_a_flow_waits_and_never_raises(monkeypatch):
    """`tell` gives whether every receiver was reached; a wrong address is a line in the log, not an error."""
    with receiver() as caught:
        assert messenger.tell(Kind.NIGHT_FAILED, "pull: the venue did not answer", settings=settings(caught.address))
        assert "pull: the venue did not answer" in caught.wait()["message"]

    assert not messenger.tell(Kind.NIGHT_FAILED, "x", settings=settings("nonsense"))
