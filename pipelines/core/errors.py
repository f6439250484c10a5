"""The errors that people see. Each says what happened, the value received, and what to do next.

OddsmithError                the base: a message for a person, exit status 1
├── ParameterError           params.yaml or a command line value is not usable
├── SettingError             the environment lacks or contradicts something (key, mode, URL)
├── DataError                a recording, a pull or a stage input is unreadable, empty or wrong
├── StrategyError            a policy of one's own cannot be loaded or breaks its contract
├── ArtifactError            a bundle or another product is missing, half-written or altered
├── VenueError               the venue refused or did not answer
│   ├── VenueUnavailable     transient: restart, rate limit, maintenance; try again later; exit status 69
│   └── VenueForbidden       geographic or account block: stop, never evade
├── AlreadyRunning           another process holds the exclusive lock
└── Stopped                  told to stop: what was done is kept, run it again; exit status 75
"""

import os


class OddsmithError(Exception):
    """Base of every error that is written for a person; `status` is the exit status of a command that ends with it."""

    status = 1


class ParameterError(OddsmithError):
    """A tunable number is unknown or out of range."""


class SettingError(OddsmithError):
    """The environment lacks or contradicts something that a command needs."""


class DataError(OddsmithError):
    """Data from outside, or from an earlier stage, cannot be used."""


class StrategyError(OddsmithError):
    """A file with a policy of one's own cannot be loaded, or the policy breaks the contract of policies."""


class ArtifactError(OddsmithError):
    """A product of ours is missing, half-written or altered."""


class VenueError(OddsmithError):
    """The venue refused a request or did not answer it."""


class VenueUnavailable(VenueError):
    """The venue cannot answer now; the same request may succeed later."""

    status = os.EX_UNAVAILABLE


class VenueForbidden(VenueError):
    """The venue blocks this account or region. Trading stops; nothing evades it."""


class AlreadyRunning(OddsmithError):
    """Another process holds the lock that only one may hold."""


class Stopped(OddsmithError):
    """The work was told to stop and kept its state: the same command goes on from there."""

    status = os.EX_TEMPFAIL
