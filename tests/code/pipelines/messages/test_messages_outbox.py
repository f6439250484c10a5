"""When a message may go: levels, digest, quiet hours. The clock is given."""

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from pipelines.core.sections import MessagesParams
from pipelines.messages.message import LEVELS, Kind, Level, Message
from pipelines.messages.outbox import MOST_WAITING, Outbox, Timing, notification

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def outbox(least=Level.INFO, **values):
    """An outbox with the timing of params.yaml and these values."""
    return Outbox(Timing.of(MessagesParams(**values)), least)


def message(kind, at=NOON, text="text"):
    """A message of a kind."""
    return Message(kind, text, at)


def test_every_kind_has_a_level():
    """No kind of message is without a level."""
    assert set(LEVELS) == set(Kind)


def test_info_waits_for_the_digest_and_takes_all_info_with_it():
    """Info goes when the oldest has waited long enough, and all of it goes then."""
    box = outbox(digest_min=15.0)
    box.put(message(Kind.FILL))
    box.put(message(Kind.FILL, NOON + timedelta(minutes=14)))

    assert box.take(NOON + timedelta(minutes=14, seconds=59)) == []
    assert len(box.take(NOON + timedelta(minutes=15))) == 2
    assert len(box) == 0


@pytest.mark.parametrize(
    ("hours", "zone", "at", "quiet"),
    [
        ("22:00-07:00", "UTC", "2026-03-01T23:30+00:00", True),
        ("22:00-07:00", "UTC", "2026-03-01T07:00+00:00", False),
        ("22:00-07:00", "UTC", "2026-03-01T22:00+00:00", True),
        ("09:00-17:00", "UTC", "2026-03-01T12:00+00:00", True),
        ("09:00-17:00", "UTC", "2026-03-01T18:00+00:00", False),
        ("22:00-07:00", "America/New_York", "2026-03-01T04:00+00:00", True),
        ("22:00-07:00", "Europe/Berlin", "2026-07-01T05:30+00:00", False),
        ("", "UTC", "2026-03-01T03:00+00:00", False),
    ],
)
def test_quiet_hours_hold_back_all_but_the_critical(hours, zone, at, quiet):
    """In the quiet hours of the zone, across midnight too, only the critical is sent; the rest is kept."""
    now = datetime.fromisoformat(at)
    box = outbox(digest_min=0.0, quiet_hours=hours, timezone=zone)
    for kind in (Kind.FILL, Kind.DRIFT, Kind.KILL):
        box.put(message(kind, now))

    sent = [one.kind for one in box.take(now)]
    assert sent == ([Kind.KILL] if quiet else [Kind.FILL, Kind.DRIFT, Kind.KILL])
    assert len(box) == (2 if quiet else 0)


def test_too_many_messages_drop_the_oldest_of_the_least_urgent():
    """A flood keeps what is critical, and counts what it dropped."""
    box = outbox()
    box.put(message(Kind.KILL, NOON - timedelta(hours=1)))
    for number in range(MOST_WAITING + 9):
        box.put(message(Kind.FILL, NOON + timedelta(seconds=number)))

    assert (len(box), box.dropped) == (MOST_WAITING, 10)
    assert Kind.KILL in [one.kind for one in box.take(NOON, everything=True)]


def test_a_notification_shows_the_urgent_first_when_it_cannot_show_all():
    """A long digest names how many it leaves out, and never leaves out what is urgent."""
    many = [message(Kind.FILL, NOON + timedelta(seconds=n)) for n in range(100)] + [message(Kind.KILL, text="stop it")]
    title, text = notification(many)

    assert title == "oddsmith: 101 messages, 1 urgent"
    assert "stop it" in text
    assert text.endswith("and 71 more")


def test_what_comes_once_is_never_left_out_for_the_fills_of_a_busy_hour():
    """Start, end and a new model are kept and shown before any number of fills, stops and payouts of their level."""
    box = outbox()
    box.put(message(Kind.START, NOON - timedelta(hours=1), text="it began"))
    for number in range(MOST_WAITING + 9):
        box.put(message((Kind.FILL, Kind.SETTLED)[number % 2], NOON + timedelta(seconds=number)))
    box.put(message(Kind.STOP, NOON + timedelta(hours=2), text="it ended"))
    _, text = notification(box.take(NOON + timedelta(hours=2), everything=True))

    assert "it began" in text
    assert "it ended" in text


@pytest.mark.parametrize(
    "values", [{"quiet_hours": "25:00-07:00"}, {"quiet_hours": "22-7"}, {"timezone": "Berlin"}, {"digest_min": -1.0}]
)
def test_impossible_timing_is_refused(values):
    """Hours that no clock shows and zones that do not exist are refused when params.yaml is read."""
    with pytest.raises(ValidationError):
        MessagesParams(**values)
