"""The sections of params.yaml: meaning, unit and range of every number. `oddsmith params --explain KEY` prints them.

A field's docstring says what it means and ends with its unit; its annotation is its range.
"""

import difflib
import re
from typing import Annotated, Any, Literal, Self
from zoneinfo import available_timezones

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from pipelines.core.kinds import ForecasterKind

Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
PositiveInt = Annotated[int, Field(ge=1)]
PositiveFloat = Annotated[float, Field(gt=0.0)]
FillWeights = Annotated[list[float], Field(min_length=7, max_length=7)]
PriceUnits = Annotated[int, Field(ge=0, le=10_000)]
QueueWeights = Annotated[list[float], Field(min_length=5, max_length=5)]
LatencyDeciles = Annotated[list[Annotated[float, Field(ge=0.0, le=60_000.0)]], Field(min_length=11, max_length=11)]
NonNegativeFloat = Annotated[float, Field(ge=0.0)]


class Section(BaseModel):
    """A section of params.yaml: frozen, no unknown keys, no silent conversions from text."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)


class SimulatorParams(Section):
    """The local exchange and its synthetic markets."""

    seed: int
    """Which synthetic world is made: one seed is one history, bar by bar. Unit: none."""
    edge: Fraction
    """Share of every price disturbance that reverts: 0 leaves nothing to earn, 0.5 behaves like the recordings, 1 is a
    demonstration. Unit: share."""
    world: Literal["reversion", "regimes", "threshold", "lead_lag", "seasonal"]
    """Which errors the quotes make: the default's, or those of a foreign world, whose form no part of the forecaster
    has. Unit: none."""
    size_lean: Annotated[float, Field(ge=0.0, le=10.0)]
    """How much displayed sizes tell of the quote's error: 0 tells no direction, 0.3 is like the recordings. Unit: log
    size ratio per twentieth of log-odds."""
    large_account: Annotated[float, Field(ge=0.0, le=1.0)] = 0.0
    """In how many of the minutes in which a quote is clearly wrong one large account trades on it. Unit: share."""
    speed: PositiveFloat
    """How fast market time passes. Unit: market minutes per wall minute."""
    history_days: PositiveInt
    """History that exists before the first wall second. Unit: market days."""
    event_length_min: Annotated[int, Field(ge=120)]
    """Life of an event, and of its markets. Unit: market minutes."""
    event_every_min: PositiveInt
    """Time from the start of an event to the start of the next. Unit: market minutes."""
    markets_per_event: Annotated[int, Field(ge=1, le=50)]
    """Markets of every event. Unit: markets."""
    deposit_pusd: PositiveInt
    """What a new account of the local exchange holds. Unit: pUSD."""
    profile: Literal["trading", "venue", "off"]
    """Faults that the local exchange has from the start: those that a trader meets at a real venue, all of them, or
    none. Unit: none."""


class BarsParams(Section):
    """The bar grid."""

    length_s: PositiveInt
    """Length of a bar of the venue and of synthetic markets; recordings have their own. Below 60 the bars come from
    recorded frames (`oddsmith data record`). Unit: market seconds."""
    max_gap_bars: Annotated[int, Field(ge=0, le=1000)]
    """Longest run of missing bars that repeats the last price; a longer one cuts the market's history. Unit: bars."""


class PullParams(Section):
    """How much history a pull takes and how hard it asks."""

    history_days: PositiveInt
    """How far the window of a pull reaches back from now. Unit: market days."""
    max_markets: PositiveInt
    """Markets of a pull, up to half of them still open. Unit: markets."""
    concurrency: Annotated[int, Field(ge=1, le=64)]
    """Requests to the venue that may be under way at once. Unit: requests."""
    allow: list[str] = []
    """Only markets that one of these patterns (as in `markets.allow`) matches are learned from; empty: every market."""
    order_flow: bool = False
    """Whether order-flow features (depth, signed trades, large accounts) are recorded and learned from. Off, because
    together they pay no taker on any recording (docs/results/microstructure.md)."""

    @field_validator("allow")
    @classmethod
    def _are_patterns(cls, patterns: list[str]) -> list[str]:
        return checked_patterns(patterns)


class NewsParams(Section):
    """Which texts are read and how they are scored."""

    scorer: Literal["vader", "tone", "finbert", "openai"]
    """Who scores the sentiment of headlines: vader or tone here, finbert with the extra nlp, openai over any compatible
    endpoint."""
    finbert_model: str
    """Name of a model of the Hugging Face hub, or a folder that holds one."""
    openai_model: str
    """Model that the endpoint of ODDSMITH_OPENAI_URL is asked for."""
    openai_batch: Annotated[int, Field(ge=1, le=200)]
    """Headlines in one request. Unit: headlines."""
    openai_usd_per_million_in: Annotated[float, Field(ge=0.0)]
    """Price of the text that is sent. Unit: USD per million tokens."""
    openai_usd_per_million_out: Annotated[float, Field(ge=0.0)]
    """Price of the answers. Unit: USD per million tokens."""
    openai_budget_usd: PositiveFloat
    """What one pull may spend; the headlines after that stay without a score, which is neutral. Unit: USD."""


class ValidateParams(Section):
    """Bounds of the data checks."""

    min_markets: PositiveInt
    """Fewest markets that a pull may bring. Unit: markets."""
    max_zero_move_share: Fraction
    """Largest share of bars whose price equals the one before. Unit: share."""
    max_stale_bars: PositiveInt
    """How far before the end of the window the newest bar may lie. Unit: bars."""
    max_quarantined_share: Fraction
    """Largest share of a table's rows that may be set aside before the line stops. Unit: share."""
    warn_deviations: PositiveFloat
    """How far a figure of a pull may lie from those of the last nights before it is a warning. Unit: median absolute
    deviations."""


class SlicesParams(Section):
    """Shares of the time span, in the order in which time passes."""

    fit: Fraction
    """Share of the time span on which the forecaster is fitted. Unit: share."""
    calibration: Fraction
    """Share of the time span on which intervals and confidence are calibrated. Unit: share."""
    agent: Fraction
    """Share of the time span on which the agent is trained. Unit: share."""
    selection: Fraction
    """Share of the time span on which strategies are compared and one is chosen. Unit: share."""
    gate: Fraction
    """Share of the time span that nothing else sees, on which the candidate is judged. Unit: share."""
    max_bars: Annotated[int, Field(ge=10_000)]
    """Most bars that later stages read: of a larger venue whole events are drawn, the same share of each slice. Unit:
    bars."""

    @model_validator(mode="after")
    def _sum_to_one(self) -> "SlicesParams":
        total = self.fit + self.calibration + self.agent + self.selection + self.gate
        if abs(total - 1.0) > 1e-9:
            raise ValueError(f"the five shares must sum to 1, they sum to {total:g}")
        return self


class ComputeParams(Section):
    """Where work that splits by market runs; the results do not depend on it."""

    scheduler: Annotated[str, Field(pattern=r"^(single|processes|(tcp|tls)://.+)$")]
    """Where work that splits by market runs: single, processes, or the tcp:// or tls:// address of a Dask scheduler."""
    workers: Annotated[int, Field(ge=1, le=256)]
    """Processes of the scheduler `processes`. Unit: processes."""
    bars_at_once: Annotated[int, Field(ge=1_000)]
    """Bars that validate and featurize have in memory at a time (more where one event has more). Unit: bars."""


class FeaturesParams(Section):
    """Standardisation of features."""

    winsor_sd: Annotated[float, Field(ge=2.0, le=50.0)]
    """Standardised features are clipped at this distance from 0. Unit: standard deviations."""


LEAST_LOOKBACK_BARS = 8


class ForecastParams(Section):
    """The price forecaster and its training."""

    kind: ForecasterKind
    """Which forecaster is trained."""
    filter: bool
    """Whether a state-space filter is fitted first, and the forecaster learns what it leaves."""
    lookback_bars: Annotated[int, Field(ge=LEAST_LOOKBACK_BARS, le=1000)]
    """History that a forecast reads; recordings whose markets are shorter are read with less. Unit: bars."""
    horizon_bars: Annotated[int, Field(ge=2, le=500)]
    """How far a forecast looks ahead. Unit: bars."""
    least_ahead_bars: Annotated[int, Field(ge=0, le=500)] = 0
    """A bar is learned from where so many bars of its market follow, at most the horizon, at every horizon that its
    market has; 0: the horizon, or 1 where fewer than a tenth of the bars have it. Unit: bars."""
    windows: PositiveInt
    """Training windows that are drawn in every epoch. Unit: windows."""
    epochs: PositiveInt
    """Passes over as many windows. Unit: epochs."""
    batch_size: PositiveInt
    """Windows of one step of the optimiser. Unit: windows."""
    learning_rate: PositiveFloat
    """Step size of the optimiser. Unit: none."""
    dropout: Annotated[float, Field(ge=0.0, lt=1.0)]
    """Share of the units that are dropped in training. Unit: share."""
    mean_weight: PositiveFloat
    """Weight of the squared error of the mean next to the quantile loss. Unit: none."""
    replicas: Annotated[int, Field(ge=1, le=16)]
    """Logical CPU devices that share a batch. Unit: devices."""
    warm_start: bool
    """Whether filter and network begin from the champion's (docs/results/warm-start.md). Unit: none."""
    mixed_precision: bool
    """Whether a network trains with float16 sums of products on a GPU with tensor cores; a CPU never does. Unit:
    none."""
    seed: int
    """Seed of the weights and of the windows that are drawn. Unit: none."""


class LeagueParams(Section):
    """Training of every forecaster in `oddsmith league`."""

    windows: PositiveInt
    """Training windows that are drawn in every epoch. Unit: windows."""
    epochs: PositiveInt
    """Passes over as many windows. Unit: epochs."""


class ConformalParams(Section):
    """Calibration of intervals and of the confidence."""

    coverage: Annotated[float, Field(gt=0.5, lt=1.0)]
    """Share of the moves that an interval is to contain. Unit: share."""
    windows: PositiveInt
    """Windows of the calibration slice that are used. Unit: windows."""


Learner = Literal["ppo_entries", "ppo", "ppo_tuned", "dqn", "qrdqn", "sac"]
"""Sections of params.yaml that hold the hyper-parameters of an agent's training."""


class AgentParams(Section):
    """The trading agent: who learns, what it sees, and what rewards it."""

    learner: Learner
    """Section of params.yaml that trains the agent."""
    decisions: Literal["entries", "bars"]
    """What the agent decides: entries alone (what is held is left by the rule of policy.threshold), or every bar, as in
    the guide. Unit: none."""
    forecast_block: bool
    """Whether the agent sees the forecasts."""
    imitation_epochs: Annotated[int, Field(ge=0)]
    """Warm start: passes in which the agent imitates the threshold rule before it learns from rewards; 0 turns it off.
    Unit: epochs."""
    warm_start: bool
    """Whether the agent begins from the champion's parameters instead of an imitation. Unit: none."""
    risk_aversion: Annotated[float, Field(ge=0.0)]
    """Subtracted from every reward: this times its square (both in per cent of the cash); 0 rewards P&L alone. Unit:
    none."""
    holding_cost_share: Annotated[float, Field(ge=0.0, le=3.0)]
    """Opportunity cost in training, where entries are decided: what each bar of one of the account's places costs, the
    entry that takes it or the answer that leaves it free. 0 turns it off. Unit: P&L per bar and place of the threshold
    rule."""
    seed: int
    """Seed of the agent's network and of its training. Unit: none."""

    @property
    def algorithm(self) -> str:
        """ppo, dqn, qrdqn or sac."""
        return self.learner.split("_", maxsplit=1)[0]


class LearnerParams(Section):
    """What every algorithm has, in Stable-Baselines3's words."""

    timesteps: Annotated[int, Field(ge=0)]
    """Steps of all environments together; 0 leaves what imitation taught. Unit: steps."""
    n_envs: PositiveInt
    """Environments that are played side by side. Unit: environments."""
    batch_size: PositiveInt
    """Transitions of one step of the optimiser. Unit: transitions."""
    learning_rate: PositiveFloat
    """Step size of the optimiser. Unit: none."""
    gamma: Fraction
    """Discount of the next step's reward. Unit: none."""


class PpoParams(LearnerParams):
    """Hyper-parameters of PPO. A rollout is n_envs x n_steps."""

    n_steps: PositiveInt
    """Steps of each environment between two updates. Unit: steps."""
    n_epochs: PositiveInt
    """Passes over a rollout. Unit: epochs."""
    gae_lambda: Fraction
    """Weight of later steps in the estimate of an advantage. Unit: none."""
    clip_range: PositiveFloat
    """How far an update may change the probability of an action, as a ratio. Unit: none."""
    ent_coef: Annotated[float, Field(ge=0.0)]
    """Weight of the policy's entropy in the loss. Unit: none."""
    vf_coef: Annotated[float, Field(ge=0.0)]
    """Weight of the value function in the loss. Unit: none."""
    max_grad_norm: PositiveFloat
    """Gradients are clipped at this norm. Unit: none."""
    learning_rate_end: PositiveFloat | None = None
    """Step size at the end, to which it falls evenly; without it the step size stays. Unit: none."""
    ent_until: Fraction | None = None
    """Share of the training at which the weight of the entropy has fallen to 0; without it the weight stays. Unit:
    share."""
    critic_steps: Annotated[int, Field(ge=0)] = 0
    """Steps at the beginning of a warm-started training in which the value function alone learns. Unit: steps."""


class SacParams(LearnerParams):
    """Hyper-parameters of SAC. gradient_steps belong to one step of all environments."""

    buffer_size: PositiveInt
    """Transitions that are remembered. Unit: transitions."""
    gradient_steps: PositiveInt
    """Steps of the optimiser per step of all environments. Unit: steps."""


class DqnParams(SacParams):
    """Hyper-parameters of DQN: those of SAC and its exploration."""

    exploration_fraction: Fraction
    """Share of the training over which exploration falls to its end. Unit: share."""
    max_grad_norm: PositiveFloat
    """Gradients are clipped at this norm. Unit: none."""


class PolicyParams(Section):
    """What holds for every policy, and a section for the parameters of each kind (`policy.threshold`).

    The file of a policy declares what its section may hold; `pipelines.trading.policies` checks it.
    """

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, dict[str, Any]]

    min_price: Annotated[float, Field(ge=0.0, lt=0.5)]
    """No entries at prices outside [min_price, 1 - min_price]. Unit: pUSD per share."""
    strategies: tuple[str, ...] = ()
    """Modules or files with policies of your own, as in strategies/*.py; they run with your rights. Unit: none."""

    @field_validator("strategies", mode="before")
    @classmethod
    def _tuple(cls, value: object) -> object:
        return tuple(value) if isinstance(value, list) else value

    @model_validator(mode="before")
    @classmethod
    def _empty_sections(cls, document: Any) -> Any:
        """A kind without a parameter below it (`fade:`) is an empty section."""
        if not isinstance(document, dict):
            return document
        empty: dict[str, Any] = {
            name: {} for name, value in document.items() if value is None and name not in cls.model_fields
        }
        return document | empty

    @property
    def kinds(self) -> dict[str, dict[str, Any]]:
        """Kind -> the parameters that params.yaml gives it."""
        return dict(self.__pydantic_extra__ or {})

    def with_kind(self, kind: str, **values: Any) -> "PolicyParams":
        """A copy with other parameters of one kind."""
        return self.model_copy(update={kind: self.kinds.get(kind, {}) | values})


class SizingParams(Section):
    """cap = equity x min(max_position_fraction, kelly_fraction x Kelly x confidence), less in uncertain markets where
    `max_deviation_fraction` is set."""

    max_position_fraction: Fraction
    """Largest position that sizing asks for; `risk` has the limit. Unit: share of the equity."""
    kelly_fraction: Fraction
    """Share of the Kelly size that is taken. Unit: share."""
    max_deviation_fraction: Fraction = 0.0
    """Largest predicted standard deviation of a position's value over the last horizon; 0: none. Unit: share of the
    equity."""


class RiskParams(Section):
    """Limits that no policy can pass. Fractions of equity; stops as fractions of the entry mid."""

    max_position_fraction: Fraction
    """Largest position. Unit: share of the equity."""
    max_exposure_fraction: Fraction
    """Largest sum of all positions and open buys. Unit: share of the equity."""
    max_markets: PositiveInt
    """Most markets with a position at once. Unit: markets."""
    max_related_markets: PositiveInt
    """Most markets of one event or topic with a position at once. Unit: markets."""
    min_confidence: Annotated[float, Field(ge=0.5, le=1.0)]
    """Entries need a forecast whose sign is right with at least this probability. Unit: probability."""
    stop_loss: Fraction
    """A position that has lost this much is closed. Unit: share of the entry mid."""
    take_profit: Fraction
    """A position that has gained this much is closed. Unit: share of the entry mid."""
    trailing_stop: Fraction
    """A position that has fallen this far from its best is closed. Unit: share of the entry mid."""
    stop_cost_multiple: Annotated[float, Field(ge=0.0)]
    """No stop is nearer than this many round-trip costs, nor than the spread and two ticks. Unit: round-trip costs."""
    daily_loss_fraction: Fraction
    """No entries for the rest of the day after this loss. Unit: share of the equity at the day's start."""
    max_drawdown_fraction: Fraction
    """No entries while the equity lies this far below its peak. Unit: share of the peak."""
    max_quote_age_s: PositiveInt
    """No orders on a quote that is older. Unit: market seconds."""
    exit_band: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.10
    """While a book shows no price, nothing is sold further below the last trusted mid. This and the next four have
    defaults, so that limits that older journals name can be read. Unit: pUSD per share."""
    exit_ladder_s: PositiveInt = 600
    """The band widens by itself after this long without a trusted price. Unit: market seconds."""
    exit_ladder_steps: Annotated[int, Field(ge=0, le=100)] = 3
    """So often at most. Unit: steps."""
    orders_per_minute: PositiveInt = 60
    """More orders stop all buying until a person releases the breaker. Unit: orders in a market minute."""
    notional_per_hour: PositiveFloat = 20.0
    """So does more notional in a market hour. Unit: multiples of the equity."""
    stop_deviations: NonNegativeFloat = 0.0
    """No stop is nearer than this many predicted standard deviations of the price over the last horizon; 0: the
    prediction moves no stop. Unit: standard deviations."""


class ExecutionParams(Section):
    """From a target to fills."""

    latency_bars: PositiveInt
    """Fewest bars from a decision to its fill, in every replay. Unit: bars."""
    latency_ms: LatencyDeciles = [156.0, 238.0, 252.0, 279.0, 294.0, 352.0, 422.0, 475.0, 553.0, 758.0, 1381.0]
    """Deciles of what passes from the end of a bar until the venue has the order, drawn for every order; where that,
    with the market's hold of orders that take, is longer than `latency_bars`, the order meets a later book. The shipped
    ones are those of a bot on a local exchange (`python -m benchmarks.turn_latency`) and 30 ms that are stated for the
    network; `oddsmith params latency` writes the bot's own, which `oddsmith parity` measures. Unit: wall
    milliseconds."""
    order_ttl_bars: PositiveInt
    """An order that rests is cancelled after this time. Unit: bars."""
    entry: Literal["take", "rest"]
    """Entries take the other side's touch, or rest at the touch of their own side; exits always take."""
    turn: Literal["id", "move"] = "id"
    """Which market of a bar takes cash, room and places first: the first by id, or the one whose expected move is the
    largest in round trips. Unit: none."""
    between_bars_up_to_s: Annotated[int, Field(ge=0)] = 5
    """A policy that acts on the reference price (`acts_on_reference`) also decides when this moves between two closes,
    with bars up to this length; 0: never. Every replay decides at closes alone, so with longer bars it would be another
    strategy than the one that was judged. Unit: seconds."""
    queue: Literal["pessimistic", "neutral", "optimistic", "evidence"]
    """How an order that rests is filled: all, half or nothing of the displayed size is ahead of it (three bounds), or
    by what recorded books showed (`fill_weights`, `fill_queue_weights`)."""
    fill_weights: FillWeights = [-0.67, -1.02, -0.94, 0.77, -0.54, 0.37, 0.5]
    """Weights of the fill model: intercept, bridge, queue, spread, imbalance, move, left; `python -m benchmarks.fills`
    fits them. Unit: log-odds."""
    fill_reference_weight: float = 0.18
    """Weight of the reference's move towards the order between two looks, for markets that have one;
    `python -m benchmarks.fill_reference` fits it. Unit: log-odds per tick of the price that it implies."""
    fill_queue_weights: QueueWeights = [-7.18, 0.81, 5.37, 4.82, 2.06]
    """Weights of the fills by trades that take the queue at the order's level: intercept, ahead, vanished, emptied,
    alone; `python -m benchmarks.queues` fits them. Unit: log of fills a second."""
    fill_trade_share: Fraction = 0.12
    """Part of what vanishes at the touch that trades took; the rest was cancelled. Of `python -m benchmarks.queues`.
    Unit: share."""
    fill_adverse_units: PriceUnits = 137
    """What a fill by trades between two looks is worth less, a minute later, than the looks let expect: it is booked so
    much worse than its limit, in every replay and on paper. Of `python -m benchmarks.queues`. Unit: price units (1e-4
    pUSD per share)."""
    fill_adverse_most_units: PriceUnits = 316
    """The most of it that the recordings allow (95 %): the gate asks a policy whose orders rest to earn with it too.
    Of `python -m benchmarks.queues`. Unit: price units (1e-4 pUSD per share)."""
    band_ticks: Annotated[int, Field(ge=0, le=100)]
    """How far a limit price may lie beyond the touch. Unit: ticks."""
    model_spread: Annotated[float, Field(gt=0.0, lt=1.0)]
    """Spread where none was observed, whatever the tick: in ticks, spreads are several times wider where the tick is
    0.001. Unit: pUSD per share."""
    impact_share: Fraction
    """Share of the spread by which a fill moves the price. Unit: share."""
    model_depth_shares: PositiveInt
    """Displayed size per level at a spread of one tick, where no book was observed; less as it widens. Unit: shares."""
    redemption_s: Annotated[int, Field(ge=0)]
    """From a market's last bar until what it pays can be used again. Unit: market seconds."""

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if self.fill_adverse_most_units < self.fill_adverse_units:
            raise ValueError("fill_adverse_most_units is at least fill_adverse_units")
        return self

    @field_validator("latency_ms")
    @classmethod
    def _ordered(cls, deciles: list[float]) -> list[float]:
        if sorted(deciles) != deciles:
            raise ValueError("deciles rise from the least to the largest")
        return deciles


class BacktestParams(Section):
    """The account that strategies are compared on."""

    cash_pusd: Annotated[int, Field(gt=0, le=1_000_000)]
    """Cash of the account; larger ones would leave the 64-bit integers of the kernel. Unit: pUSD."""
    random_seeds: PositiveInt
    """Draws of the strategy with random entries. Unit: draws."""
    min_round_trips: Annotated[int, Field(ge=0)]
    """A policy with fewer closed positions is chosen only where none has more. Unit: round trips."""


class GateParams(Section):
    """What a candidate has to prove."""

    confidence_level: Annotated[float, Field(gt=0.5, lt=1.0)]
    """Level of the lower bound that the skill must have above 0. Unit: probability."""
    bootstrap_samples: Annotated[int, Field(ge=100)]
    """Draws of whole events for that bound. Unit: draws."""
    min_events: Annotated[int, Field(ge=2)]
    """Fewest events on the gate slice; with fewer the verdict is hold. Unit: events."""
    first_horizon: PositiveInt
    """First horizon whose skill counts. Unit: bars."""
    last_horizon: PositiveInt
    """Last horizon whose skill counts. Unit: bars."""
    periods: Annotated[int, Field(ge=2, le=100)]
    """Consecutive parts of the gate slice that weigh the same in the second bound of the skill. Unit: parts."""
    champion_margin: Fraction
    """How much less than the champion's own a candidate may earn or forecast and still count as not worse. Unit: share
    of the champion's P&L, and of its lead over the market price."""
    min_deflated_sharpe: Fraction
    """Least deflated Sharpe ratio of the policy's P&L by event on the gate slice. Unit: probability."""
    max_overfitting: Fraction
    """Largest probability that the choice of the policy, cash among them, is overfitted (CSCV). Unit: probability."""
    coverage_points: Fraction
    """How far the interval's coverage may lie from `conformal.coverage`. Unit: share of moves."""
    latency_ms: PositiveFloat
    """Longest forecast and decision of one bar of `serving.max_markets` markets. Unit: wall milliseconds."""
    valid_days: PositiveFloat
    """How long a verdict counts; of the venue's data from its end, else from the judgement. Unit: wall days."""


class ShadowParams(Section):
    """A challenger that decides in the live service and orders nothing, and the predecessor of a new champion."""

    enabled: bool
    """Whether a candidate that the gate promoted over a champion is watched in shadow first, where a bot trades."""
    min_bars: PositiveInt
    """Fewest bars in shadow before a promotion, or a rollback on forecasts or errors. Unit: bars."""
    max_bars: PositiveInt
    """Bars after which a challenger that proved nothing is dismissed, and a predecessor is let go. Unit: bars."""
    e_value: Annotated[float, Field(gt=1.0)]
    """Evidence that is enough; 20 is wrong at most once in 20 times, however often one looks. Unit: e-value."""
    max_error_rate: Fraction
    """Share of a new champion's orders refused or lost beyond which its predecessor returns. Unit: share."""
    max_drawdown: Fraction
    """Fall from its peak beyond which a new champion gives way to a predecessor that fell less. Unit: share."""

    @model_validator(mode="after")
    def _ordered(self) -> "ShadowParams":
        if self.max_bars < self.min_bars:
            raise ValueError(f"max_bars ({self.max_bars}) must be at least min_bars ({self.min_bars})")
        return self


class FlowsParams(Section):
    """Limits of the flows."""

    stage_timeout_min: Annotated[dict[str, PositiveFloat], Field(min_length=1)]
    """Stage or other command of a flow (window, parity, ingest, drift, install, push) -> how long it may run before it
    is ended (a stage is begun once more); `default` for those that are not named. Unit: wall minutes."""
    overdue_h: PositiveFloat
    """Time without a night that ended after which people are told. Unit: wall hours."""
    scratch_every_nights: PositiveInt = 7
    """With a warm start one night of so many begins from scratch all the same. Unit: nights."""
    silent_min: NonNegativeFloat = 10.0
    """Time without a sign of life of the bot (a bar, or a comparison with the venue) after which people are told; 0
    turns it off. Unit: wall minutes."""

    @model_validator(mode="after")
    def _has_default(self) -> "FlowsParams":
        if "default" not in self.stage_timeout_min:
            raise ValueError("stage_timeout_min needs a value for `default`")
        return self

    def limit_s(self, stage: str) -> float:
        """Wall seconds that a stage may run."""
        return 60.0 * self.stage_timeout_min.get(stage, self.stage_timeout_min["default"])


class DriftParams(Section):
    """When recent bars count as having left the training window."""

    window_bars: PositiveInt
    """Recent window of every market. Unit: bars."""
    horizon_bars: PositiveInt
    """Horizon of the forecasts whose residuals are compared. Unit: bars."""
    min_bars: PositiveInt
    """With fewer recent bars there is no verdict. Unit: bars."""
    min_markets: Annotated[int, Field(ge=2)]
    """With fewer recent markets there is no verdict. Unit: markets."""
    min_psi: PositiveFloat
    """A smaller move of a column never counts. Unit: population stability index."""
    quiet_multiple: Annotated[float, Field(ge=1.0)]
    """A column counts when it moved this many times as far as in any quiet window of the training. Unit: none."""
    min_quiet_windows: PositiveInt
    """With fewer quiet windows a column decides nothing. Unit: windows."""
    skill_loss: Fraction
    """Share of the skill that must be gone. Unit: share."""
    refit_share: Fraction
    """A forecast that finds less than this share of what a filter fitted on other recent events finds is behind. Unit:
    share."""
    refit_lead: Fraction
    """A smaller lead of the refitted filter never counts. Unit: share of the squared moves."""
    confidence_level: Annotated[float, Field(gt=0.5, lt=1.0)]
    """Level at which a loss of skill, or the lead of a refitted filter, must be sure. Unit: probability."""
    coverage_loss: Fraction
    """How much less of the moves the interval may contain. Unit: share."""
    brier_excess: Fraction
    """How much further above the expected Brier score the realised one may lie than in training. Unit: share of the
    expected score."""
    least_days: PositiveFloat
    """After drift windows begin where the changed world was seen first, so long before now at least; longer where a
    slice would hold no window. Unit: market days."""
    retrain_every_h: PositiveFloat
    """Least time between two nights that drift of one bundle starts. Unit: wall hours."""
    reference_bars: Annotated[int, Field(ge=1000)]
    """Bars of the training window that are kept for comparison. Unit: bars."""
    recent_bars: Annotated[int, Field(ge=1000)]
    """Recent bars that are compared, at most; of more those of a draw of whole events. Unit: bars."""


class ServingParams(Section):
    """The live loop."""

    max_markets: Annotated[int, Field(ge=1, le=2_000)]
    """Markets that are followed at once. Unit: markets."""
    rescan_s: PositiveFloat
    """Time between two looks at the venue's listing. Unit: wall seconds."""
    stale_feed_s: PositiveFloat
    """The service is not ready after this time without a message of the feed. Unit: wall seconds."""
    news_poll_s: PositiveFloat
    """Time between two looks at headlines, where the feed does not say how long an answer holds. Unit: wall seconds."""
    paper_cash_pusd: PositiveInt
    """What a paper account starts with. Unit: pUSD."""
    keep_bars: Annotated[int, Field(ge=100)]
    """Bars whose inputs and decisions stay in the journal; orders, fills and equity stay for ever. Unit: bars."""
    exit_alarm_s: PositiveInt = 180
    """An exit that has not been filled for so long is an alarm. Unit: market seconds."""


MARKET_PATTERNS = ("event", "topic", "id", "question", "slug", "tag", "category", "series")
"""What a pattern of `markets.allow` and `markets.deny` can name."""


def checked_patterns(patterns: list[str]) -> list[str]:
    """The patterns, if all of them can be matched.

    Raises:
        ValueError: for one that is none.
    """
    for pattern in patterns:
        kind, separator, text = pattern.partition(":")
        if not separator or kind not in MARKET_PATTERNS or not text.strip():
            known = ", ".join(f"{name}:..." for name in MARKET_PATTERNS)
            raise ValueError(f"{pattern!r} is no pattern; write one of {known}")
        if kind == "question":
            try:
                re.compile(text)
            except re.error as error:
                raise ValueError(f"{pattern!r} is no regular expression: {error}") from None
    return patterns


class MarketsParams(Section):
    """Which listed markets the bot follows; what it holds is followed in any case.

    A pattern is `event:ID`, `topic:NAME`, `id:CONDITION_ID`, `slug:NAME`, `tag:NAME`, `category:NAME`, `series:NAME` or
    `question:REGULAR EXPRESSION`; case does not matter, and `*` in a name stands for any letters. The numbers are asked
    of markets that would be followed anew, in the figures of the listing; a market without the figure is not followed.
    """

    allow: list[str] = []
    """Only markets that one of these patterns matches are followed; empty: every market."""
    deny: list[str] = []
    """Markets that one of these patterns matches are not followed, whatever `allow` says."""
    min_hours_to_end: NonNegativeFloat = 0.0
    """Markets that end sooner are not followed anew. Unit: market hours."""
    max_hours_to_end: NonNegativeFloat = 0.0
    """Markets that end later are not followed; 0 turns it off. Unit: market hours."""
    min_volume_24h_pusd: NonNegativeFloat = 0.0
    """Markets that traded less in 24 hours are not followed anew; 0 turns it off. Unit: pUSD."""
    min_depth_pusd: NonNegativeFloat = 0.0
    """Markets with less money resting in their book are not followed anew; 0 turns it off. Unit: pUSD."""
    max_spread: Annotated[float, Field(ge=0.0, le=1.0)] = 0.0
    """Markets whose best bid and ask lie further apart are not followed anew; 0 turns it off. Unit: price."""
    min_price: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    """Markets whose YES costs less are not followed anew. Unit: price."""
    max_price: Annotated[float, Field(gt=0.0, le=1.0)] = 1.0
    """Markets whose YES costs more are not followed anew. Unit: price."""

    @field_validator("allow", "deny")
    @classmethod
    def _are_patterns(cls, patterns: list[str]) -> list[str]:
        return checked_patterns(patterns)

    @model_validator(mode="after")
    def _has_a_band(self) -> "MarketsParams":
        if self.min_price >= self.max_price:
            raise ValueError(f"min_price {self.min_price:g} is not below max_price {self.max_price:g}: no market fits")
        if 0 < self.max_hours_to_end < self.min_hours_to_end:
            raise ValueError(
                f"min_hours_to_end {self.min_hours_to_end:g} is above max_hours_to_end {self.max_hours_to_end:g}: no "
                "market fits"
            )
        return self


class MessagesParams(Section):
    """Who is told what, and when; the addresses are in ODDSMITH_MESSAGES."""

    least_level: Literal["info", "warning", "critical"] = "info"
    """Least urgent level that is sent to an address without a level of its own."""
    digest_min: Annotated[float, Field(ge=0.0, le=1_440.0)] = 15.0
    """How long the level info (fills, starts, settled markets) waits, so that one message holds many; 0 sends each at
    once. Unit: wall minutes."""
    quiet_hours: str = ""
    """When only the level critical is sent, such as 22:00-07:00; the rest follows afterwards. Empty turns it off."""
    timezone: str = "UTC"
    """Zone of the quiet hours, such as Europe/Berlin."""
    repeat_after_min: Annotated[float, Field(ge=0.0)] = 60.0
    """The same trouble is told again only after this time, with how often it came. Unit: wall minutes."""

    @field_validator("quiet_hours")
    @classmethod
    def _is_a_span(cls, text: str) -> str:
        if text and not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d", text):
            raise ValueError("write the quiet hours as HH:MM-HH:MM, such as 22:00-07:00, or leave them empty")
        return text

    @field_validator("timezone")
    @classmethod
    def _is_a_zone(cls, name: str) -> str:
        if name not in available_timezones():
            near = difflib.get_close_matches(name, available_timezones(), n=1)
            raise ValueError(f"no time zone has this name{f'; did you mean {near[0]}?' if near else ''}")
        return name


class CostsParams(Section):
    """What running costs and what may be earned; `oddsmith costs` computes with it."""

    monthly_usd: Annotated[dict[str, Annotated[float, Field(ge=0.0)]], Field(min_length=1)]
    """Item -> what it costs. Unit: USD per month."""
    training_hours_per_day: Annotated[float, Field(ge=0.0, le=24.0)]
    """How long the training machine runs; the guide assumes around the clock. Unit: hours per day."""
    capital_usd: Annotated[list[PositiveFloat], Field(min_length=1)]
    """Capitals for which the return after costs is computed. Unit: USD."""
    monthly_return: Annotated[dict[str, PositiveFloat], Field(min_length=1)]
    """Scenario -> return before costs; the guide's, no promise. Unit: share of the capital per month."""
    bill_days: Annotated[int, Field(ge=0, le=90)] = 0
    """After a night AWS is asked what it billed in so many whole days (0.01 USD a question); 0 asks nothing. Unit:
    days."""
    bill_limit: PositiveFloat = 1.25
    """A bill beyond so many times the plan of what AWS bills is an alert. Unit: multiples of the planned USD."""


class SpotParams(Section):
    """Training on a machine that may be taken away."""

    poll_s: PositiveFloat
    """How often the metadata address is asked for a notice. Unit: wall seconds."""
    grace_s: Annotated[float, Field(gt=0.0, le=110.0)]
    """From the notice to SIGKILL; AWS leaves 120 s, and the upload of the checkpoint needs the rest. Unit: wall
    seconds."""
    wait_h: PositiveFloat
    """How long the night waits for training on that machine before it trains here. Unit: hours."""
    gpu: bool
    """Whether that machine has to have a GPU that TensorFlow sees; without one it refuses the job."""


class StackParams(Section):
    """One of the guide's model stacks: who scores headlines, who forecasts, who trades."""

    scorer: Literal["none", "vader", "tone", "finbert", "openai"]
    """Who scores headlines; with none, no headline has a score, which is neutral."""
    forecast: ForecasterKind
    """Which forecaster is trained."""
    agent: Literal["ppo", "dqn"]
    """Which algorithm trains the agent."""
    forecast_block: bool
    """Whether the agent sees the forecasts."""
