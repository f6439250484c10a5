"""The sections of params.yaml: what every number may be. Units stand in the names, meanings in params.yaml."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from pipelines.core.kinds import ForecasterKind

Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
PositiveInt = Annotated[int, Field(ge=1)]
PositiveFloat = Annotated[float, Field(gt=0.0)]


class Section(BaseModel):
    """A section of params.yaml: frozen, no unknown keys, no silent conversions from text."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class SimulatorParams(Section):
    """The local exchange and its synthetic markets."""

    seed: int
    edge: Fraction
    speed: PositiveFloat
    history_days: PositiveInt
    event_length_min: Annotated[int, Field(ge=120)]
    event_every_min: PositiveInt
    markets_per_event: Annotated[int, Field(ge=1, le=50)]
    deposit_pusd: PositiveInt


class BarsParams(Section):
    """The bar grid."""

    length_s: PositiveInt
    max_gap_bars: Annotated[int, Field(ge=0, le=1000)]


class PullParams(Section):
    """How much history a pull takes and how hard it asks."""

    history_days: PositiveInt
    max_markets: PositiveInt
    concurrency: Annotated[int, Field(ge=1, le=64)]


class NewsParams(Section):
    """Which texts are read and how they are scored."""

    scorer: Literal["vader", "finbert", "openai"]
    finbert_model: str
    openai_model: str
    openai_batch: Annotated[int, Field(ge=1, le=200)]
    openai_usd_per_million_in: Annotated[float, Field(ge=0.0)]
    openai_usd_per_million_out: Annotated[float, Field(ge=0.0)]
    openai_budget_usd: PositiveFloat


class ValidateParams(Section):
    """Bounds of the data checks."""

    min_markets: PositiveInt
    max_zero_move_share: Fraction
    max_stale_bars: PositiveInt


class SlicesParams(Section):
    """Shares of the time span, in the order in which time passes."""

    fit: Fraction
    calibration: Fraction
    agent: Fraction
    selection: Fraction
    gate: Fraction

    @model_validator(mode="after")
    def _sum_to_one(self) -> "SlicesParams":
        total = self.fit + self.calibration + self.agent + self.selection + self.gate
        if abs(total - 1.0) > 1e-9:
            raise ValueError(f"the five shares must sum to 1, they sum to {total:g}")
        return self


class ComputeParams(Section):
    """Where work that splits by market runs; the results do not depend on it."""

    scheduler: Annotated[str, Field(pattern=r"^(single|processes|(tcp|tls)://.+)$")]
    workers: Annotated[int, Field(ge=1, le=256)]


class FeaturesParams(Section):
    """Standardisation of features."""

    winsor_sd: Annotated[float, Field(ge=2.0, le=50.0)]


class ForecastParams(Section):
    """The price forecaster and its training."""

    kind: ForecasterKind
    lookback_bars: Annotated[int, Field(ge=8, le=1000)]
    horizon_bars: Annotated[int, Field(ge=2, le=500)]
    windows: PositiveInt
    epochs: PositiveInt
    batch_size: PositiveInt
    learning_rate: PositiveFloat
    dropout: Annotated[float, Field(ge=0.0, lt=1.0)]
    mean_weight: PositiveFloat
    replicas: Annotated[int, Field(ge=1, le=16)]
    seed: int


class LeagueParams(Section):
    """Training of every forecaster in `python -m benchmarks league`."""

    windows: PositiveInt
    epochs: PositiveInt


class ConformalParams(Section):
    """Calibration of intervals and of the confidence."""

    coverage: Annotated[float, Field(gt=0.5, lt=1.0)]
    windows: PositiveInt


Learner = Literal["ppo", "ppo_tuned", "dqn", "sac"]
"""Sections of params.yaml that hold the hyper-parameters of an agent's training."""


class AgentParams(Section):
    """The trading agent: who learns, what it sees, and what rewards it."""

    learner: Learner
    forecast_block: bool
    imitation_epochs: Annotated[int, Field(ge=0)]
    risk_aversion: Annotated[float, Field(ge=0.0)]
    """Subtracted from every reward: this times its square (both in per cent of the cash); 0 rewards P&L alone."""
    seed: int

    @property
    def algorithm(self) -> str:
        """ppo, dqn or sac."""
        return self.learner.removesuffix("_tuned")


class LearnerParams(Section):
    """What every algorithm has, in Stable-Baselines3's words."""

    timesteps: Annotated[int, Field(ge=0)]
    n_envs: PositiveInt
    batch_size: PositiveInt
    learning_rate: PositiveFloat
    gamma: Fraction


class PpoParams(LearnerParams):
    """Hyper-parameters of PPO. A rollout is n_envs x n_steps."""

    n_steps: PositiveInt
    n_epochs: PositiveInt
    gae_lambda: Fraction
    clip_range: PositiveFloat
    ent_coef: Annotated[float, Field(ge=0.0)]
    vf_coef: Annotated[float, Field(ge=0.0)]
    max_grad_norm: PositiveFloat


class SacParams(LearnerParams):
    """Hyper-parameters of SAC. gradient_steps belong to one step of all environments."""

    buffer_size: PositiveInt
    gradient_steps: PositiveInt


class DqnParams(SacParams):
    """Hyper-parameters of DQN: those of SAC and its exploration."""

    exploration_fraction: Fraction
    max_grad_norm: PositiveFloat


class PolicyParams(Section):
    """Rules without learning."""

    cost_multiple: Annotated[float, Field(ge=0.0)]
    max_hold_bars: PositiveInt
    kelly_bound_share: Fraction
    spike_reversion: Fraction
    spike_quiet_sentiment: Fraction
    ensemble_forecast_weight: Fraction
    ensemble_sentiment_weight: Fraction
    ensemble_reversion_weight: Fraction
    ensemble_sentiment_log_odds: Annotated[float, Field(ge=0.0)]
    min_price: Annotated[float, Field(ge=0.0, lt=0.5)]


class SizingParams(Section):
    """cap = equity x min(max_position_fraction, kelly_fraction x Kelly x confidence)."""

    max_position_fraction: Fraction
    kelly_fraction: Fraction


class RiskParams(Section):
    """Limits that no policy can pass. Fractions of equity; stops as fractions of the entry mid."""

    max_position_fraction: Fraction
    max_exposure_fraction: Fraction
    max_markets: PositiveInt
    max_related_markets: PositiveInt
    min_confidence: Annotated[float, Field(ge=0.5, le=1.0)]
    stop_loss: Fraction
    take_profit: Fraction
    trailing_stop: Fraction
    stop_cost_multiple: Annotated[float, Field(ge=0.0)]
    daily_loss_fraction: Fraction
    max_drawdown_fraction: Fraction
    max_quote_age_s: PositiveInt


class ExecutionParams(Section):
    """From a target to fills."""

    latency_bars: PositiveInt
    order_ttl_bars: PositiveInt
    entry: Literal["take", "rest"]
    """Entries take the other side's touch, or rest at the touch of their own side; exits always take."""
    queue: Literal["pessimistic", "neutral", "optimistic"]
    band_ticks: Annotated[int, Field(ge=0, le=100)]
    model_spread: Annotated[float, Field(gt=0.0, lt=1.0)]
    """As a price, whatever the tick: in ticks, spreads are several times wider where the tick is 0.001."""
    impact_share: Fraction
    model_depth_shares: PositiveInt
    redemption_s: Annotated[int, Field(ge=0)]
    """Market seconds from a market's last bar until what it pays can be used again."""


class BacktestParams(Section):
    """The account that strategies are compared on."""

    cash_pusd: Annotated[int, Field(gt=0, le=1_000_000)]
    """Larger accounts would leave the 64-bit integers of the kernel."""
    random_seeds: PositiveInt
    min_round_trips: Annotated[int, Field(ge=0)]


class GateParams(Section):
    """What a candidate has to prove."""

    confidence_level: Annotated[float, Field(gt=0.5, lt=1.0)]
    bootstrap_samples: Annotated[int, Field(ge=100)]
    min_events: Annotated[int, Field(ge=2)]
    first_horizon: PositiveInt
    last_horizon: PositiveInt


class DriftParams(Section):
    """When recent bars count as having left the training window."""

    window_bars: PositiveInt
    horizon_bars: PositiveInt
    min_bars: PositiveInt
    min_markets: Annotated[int, Field(ge=2)]
    min_psi: PositiveFloat
    quiet_multiple: Annotated[float, Field(ge=1.0)]
    min_quiet_windows: PositiveInt
    skill_loss: Fraction
    confidence_level: Annotated[float, Field(gt=0.5, lt=1.0)]
    coverage_loss: Fraction
    reference_bars: Annotated[int, Field(ge=1000)]


class ServingParams(Section):
    """The live loop."""

    max_markets: Annotated[int, Field(ge=1, le=500)]
    rescan_bars: PositiveInt
    stale_feed_s: PositiveFloat
    news_poll_s: PositiveFloat
    paper_cash_pusd: PositiveInt
    keep_bars: Annotated[int, Field(ge=100)]


class CostsParams(Section):
    """What running costs and what may be earned; `python -m pipelines costs` computes with it."""

    monthly_usd: Annotated[dict[str, Annotated[float, Field(ge=0.0)]], Field(min_length=1)]
    training_hours_per_day: Annotated[float, Field(ge=0.0, le=24.0)]
    capital_usd: Annotated[list[PositiveFloat], Field(min_length=1)]
    monthly_return: Annotated[dict[str, PositiveFloat], Field(min_length=1)]


class SpotParams(Section):
    """Training on a machine that may be taken away."""

    poll_s: PositiveFloat
    grace_s: Annotated[float, Field(gt=0.0, le=110.0)]
    """Between the notice and the end AWS leaves 120 s; the upload of the checkpoint needs the rest."""
    wait_h: PositiveFloat


class StackParams(Section):
    """One of the guide's model stacks: who scores headlines, who forecasts, who trades."""

    scorer: Literal["none", "vader", "finbert", "openai"]
    """none: no headline has a score, which is neutral."""
    forecast: ForecasterKind
    agent: Literal["ppo", "dqn"]
    forecast_block: bool
