"""Training of the trading agent: environments, imitation, PPO, export to ONNX."""

import gymnasium

gymnasium.register("oddsmith/Market-v0", entry_point="pipelines.agent.env:MarketEnv")
