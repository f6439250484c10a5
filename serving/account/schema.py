"""Tables of the journal, the same on SQLite and PostgreSQL. Every row belongs to one account.

Amounts are integers in base units (1e-6), prices in 1e-4, `ts_s` is market time, `*_ms` is wall time. The journal is
the one durable memory of the bot: positions, limits and open orders are rebuilt from it, never from a variable.
"""

from sqlalchemy import BigInteger, Boolean, Column, Float, Index, Integer, LargeBinary, MetaData, String, Table, Text

METADATA = MetaData()

VERSIONS = Table(
    "journal_schema",
    METADATA,
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("wall_ms", BigInteger, nullable=False),
)
"""Versions that these tables have had (`migrations`), and when each began. Oddsmith 0.1 wrote none: version 1."""

SESSIONS = Table(
    "sessions",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("account", String(80), nullable=False),
    Column("mode", String(16), nullable=False),
    Column("started_ms", BigInteger, nullable=False),
    Column("ended_ms", BigInteger),
)

BARS = Table(
    "bars",
    METADATA,
    Column("account", String(80), primary_key=True),
    Column("ts_s", BigInteger, primary_key=True, autoincrement=False),
    Column("session_id", Integer, nullable=False),
    Column("bundle", String(80), nullable=False),
    Column("mode", String(16), nullable=False),
    Column("cash_micro", BigInteger, nullable=False),
    Column("equity_micro", BigInteger, nullable=False),
    Column("took_ms", Float, nullable=False),
    Column("ledger_equals_venue", Boolean),
    Column("inputs", LargeBinary, nullable=False),
)
"""One row per decided bar; `inputs` is what `decide` saw (see `records`), so that the bar can be replayed."""

BETWEEN = Table(
    "between_bars",
    METADATA,
    Column("account", String(80), primary_key=True),
    Column("ts_s", BigInteger, primary_key=True, autoincrement=False),
    Column("after_ms", BigInteger, primary_key=True, autoincrement=False),
    Column("session_id", Integer, nullable=False),
    Column("bundle", String(80), nullable=False),
    Column("mode", String(16), nullable=False),
    Column("cash_micro", BigInteger, nullable=False),
    Column("equity_micro", BigInteger, nullable=False),
    Column("took_ms", Float, nullable=False),
    Column("inputs", LargeBinary, nullable=False),
)
"""One row per turn between two closes: `after_ms` market milliseconds after the close at `ts_s`, which its inputs name
too. `took_ms` counts from the reference price that led to it; what `inputs` does not describe, bars before it do."""

RULES = Table(
    "rules",
    METADATA,
    Column("account", String(80), primary_key=True),
    Column("session_id", Integer, primary_key=True, autoincrement=False),
    Column("bundle", String(80), primary_key=True),
    Column("wall_ms", BigInteger, nullable=False),
    Column("document", Text, nullable=False),
)
"""What a session decided with, apart from its bundle: the limits of params.yaml when the process started."""

DECISIONS = Table(
    "decisions",
    METADATA,
    Column("account", String(80), primary_key=True),
    Column("ts_s", BigInteger, primary_key=True, autoincrement=False),
    Column("market_id", String(80), primary_key=True),
    Column("action", String(24), nullable=False),
    Column("direction", Integer, nullable=False),
    Column("fraction", Float, nullable=False),
    Column("refusal", String(32)),
    Column("detail", Text, nullable=False),
    Column("confidence", Float, nullable=False),
    Column("intent", Text),
    Column("armed", Boolean, nullable=False),
)
"""Decisions of bars that older programs wrote; newer ones keep them with the inputs. `armed` is false
when the bot only showed what it would have done (no champion)."""

ORDERS = Table(
    "orders",
    METADATA,
    Column("order_id", String(80), primary_key=True),
    Column("account", String(80), nullable=False),
    Column("ts_s", BigInteger, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("market_id", String(80), nullable=False),
    Column("token_id", String(100), nullable=False),
    Column("outcome", String(8), nullable=False),
    Column("side", String(8), nullable=False),
    Column("price_units", Integer, nullable=False),
    Column("shares_micro", BigInteger, nullable=False),
    Column("reason", String(32), nullable=False),
    Column("state", String(16), nullable=False),
    Column("venue_status", String(64), nullable=False, default=""),
    Column("text", Text, nullable=False, default=""),
    Column("filled_micro", BigInteger, nullable=False, default=0),
    Column("latency_ms", Float),
    Column("payload", Text, nullable=False),
    Column("after_ms", BigInteger, nullable=False, default=0, server_default="0"),
    Index("orders_by_state", "account", "state"),
)
"""An order belongs to the bar at `ts_s`, or to the turn `after_ms` after it where that is not 0."""

FILLS = Table(
    "fills",
    METADATA,
    Column("fill_id", String(160), primary_key=True),
    Column("order_id", String(80), primary_key=True),
    Column("account", String(80), nullable=False),
    Column("market_id", String(80), nullable=False),
    Column("token_id", String(100), nullable=False),
    Column("outcome", String(8), nullable=False),
    Column("side", String(8), nullable=False),
    Column("price_units", Integer, nullable=False),
    Column("shares_micro", BigInteger, nullable=False),
    Column("fee_micro", BigInteger, nullable=False),
    Column("ts_s", BigInteger, nullable=False),
    Column("yes_mid_units", Integer, nullable=False),
    Column("reason", String(32), nullable=False),
    Column("booked_ms", BigInteger, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Index("fills_by_account", "account", "seq"),
)

SETTLEMENTS = Table(
    "settlements",
    METADATA,
    Column("account", String(80), primary_key=True),
    Column("market_id", String(80), primary_key=True),
    Column("payout_yes_micro", BigInteger, nullable=False),
    Column("cash_micro", BigInteger, nullable=False),
    Column("ts_s", BigInteger, nullable=False),
    Column("booked_ms", BigInteger, nullable=False),
    Column("seq", BigInteger, nullable=False),
)

MARKETS = Table(
    "markets",
    METADATA,
    Column("account", String(80), primary_key=True),
    Column("market_id", String(80), primary_key=True),
    Column("market", Text, nullable=False),
    Column("peak_units", Integer, nullable=False),
)
"""Markets that were ever traded: static data (needed after they left the listing) and, while a position is held, the
best mid of its token since entry. Positions themselves are the sum of fills and settlements."""

FACTS = Table(
    "facts",
    METADATA,
    Column("account", String(80), primary_key=True),
    Column("name", String(48), primary_key=True),
    Column("value", BigInteger, nullable=False),
)
"""Durable numbers: first cash, adopted differences, baseline of the day, peak equity."""

EVENTS = Table(
    "events",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("account", String(80), nullable=False),
    Column("wall_ms", BigInteger, nullable=False),
    Column("kind", String(32), nullable=False),
    Column("text", Text, nullable=False),
)

FILL_STATES = Table(
    "fill_states",
    METADATA,
    Column("fill_id", String(160), primary_key=True),
    Column("order_id", String(80), primary_key=True),
    Column("account", String(80), nullable=False),
    Column("state", String(16), nullable=False),
    Column("wall_ms", BigInteger, nullable=False),
)
"""How far the settlement of a fill has come. A fill without a row is confirmed."""

DECIDED = Table(
    "decided",
    METADATA,
    Column("account", String(80), primary_key=True),
    Column("market_id", String(80), primary_key=True),
    Column("payout_yes_micro", BigInteger, nullable=False),
    Column("ts_s", BigInteger, nullable=False),
    Column("seq", BigInteger, nullable=False),
)
"""Markets that were decided before their payout came in; a row in `settlements` follows with the cash."""

CASH_FLOWS = Table(
    "cash_flows",
    METADATA,
    Column("account", String(80), primary_key=True),
    Column("flow_id", String(160), primary_key=True),
    Column("kind", String(32), nullable=False),
    Column("cash_micro", BigInteger, nullable=False),
    Column("ts_s", BigInteger, nullable=False),
    Column("booked_ms", BigInteger, nullable=False),
)
"""Cash that no trade and no payout explains: rewards, rebates, deposits, withdrawals, and what nobody could name."""

REQUESTS = Table(
    "requests",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("account", String(80), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("asked_by", String(80), nullable=False),
    Column("asked_ms", BigInteger, nullable=False),
    Column("done_ms", BigInteger),
    Column("text", Text, nullable=False, default=""),
    Column("argument", Text, nullable=False, default="", server_default=""),
)
"""What a person asks of the account (`serving.account.requests`), who asked, and what it changed. `argument` is the
market of a close."""

FUNNEL = Table(
    "funnel",
    METADATA,
    Column("account", String(80), primary_key=True),
    Column("day", Integer, primary_key=True, autoincrement=False),
    Column("step", String(16), primary_key=True),
    Column("reason", String(48), primary_key=True),
    Column("count", BigInteger, nullable=False),
)
"""Markets that each step from listing to fill let through (reason "") or lost, summed over the bars of a market day
(days since 1970)."""

REFUSALS = Table(
    "refusals",
    METADATA,
    Column("account", String(80), primary_key=True),
    Column("reason", String(32), primary_key=True),
    Column("count", BigInteger, nullable=False),
)
"""Decisions refused so far, by reason."""
