"""Rules around the policy of a bundle, for the gate and for replays of a journal."""

from pipelines.core.params import Params
from pipelines.decide import Rules
from pipelines.inference.bundle import Bundle
from pipelines.replay import rules
from pipelines.trading import policies
from pipelines.trading.observation import MarketScaler
from pipelines.trading.sizing import SizingTable


def of_bundle(bundle: Bundle, params: Params, length_s: int) -> Rules:
    """Rules around the policy that is sealed in a bundle, with its sizing table and the limits of params.yaml.

    Raises:
        ArtifactError: if the policy's code or a parameter is not what this program can run.
    """
    policy = policies.of_bundle(bundle.manifest["policy"], bundle.folder)
    return rules.around(policy, params, SizingTable.of(bundle.sizing()), MarketScaler(bundle.scaler()), length_s)
