"""A first signal is a request; a second one a while later is a command."""

import signal

import pytest

from wellposed.engine import stopping
from wellposed.engine.stopping import StopRequest, stop_on_signal


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_noted_by_name_and_the_old_handlers_come_back(number):
    before = signal.getsignal(number)
    with stop_on_signal() as stop:
        assert not stop
        assert stop.name == ""
        signal.raise_signal(number)
        assert stop
        assert stop.name == number.name
    assert signal.getsignal(number) == before


def test_the_same_signal_again_at_once_is_the_same_request():
    with stop_on_signal() as stop:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)
    assert stop.name == "SIGINT"


def test_a_later_signal_acts_as_usual(monkeypatch):
    monkeypatch.setattr(stopping, "ONE_REQUEST_S", -1.0)
    # As usual for Python, whatever the process that runs the tests makes of the signal.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with stop_on_signal():
            signal.raise_signal(signal.SIGINT)
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_signal_inside_asks_the_block_around_it_too():
    with stop_on_signal() as outer:
        with stop_on_signal() as inner:
            signal.raise_signal(signal.SIGTERM)
        assert (inner.name, outer.name) == ("SIGTERM", "SIGTERM")
        with stop_on_signal() as next_inner:
            assert next_inner.name == "SIGTERM"


def test_a_later_signal_inside_acts_as_usual_for_the_block_around_it(monkeypatch):
    monkeypatch.setattr(stopping, "ONE_REQUEST_S", -1.0)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with stop_on_signal(), stop_on_signal():
            signal.raise_signal(signal.SIGINT)
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)


def test_leaving_is_what_the_signal_would_have_done():
    asked = StopRequest()
    asked.leave()
    asked.number = signal.SIGINT
    with pytest.raises(KeyboardInterrupt):
        asked.leave()
    asked.number = signal.SIGTERM
    with pytest.raises(SystemExit) as caught:
        asked.leave()
    assert caught.value.code == 128 + 15
