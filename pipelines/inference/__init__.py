"""From raw features to forecasts, for stages and live alike: network inputs, ONNX predictor, sealed bundle."""
