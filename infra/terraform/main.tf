# oddsmith on AWS: one machine that trades, one that trains at night for as long as training takes, and what they keep.
# A file per concern: network, firewall, access (roles), storage, database, secrets, trading, training, balancer, registry, watch.
locals {
  ports = { dashboard = 3000, mlflow = 5000 }

  # What a machine needs to know to find the rest; secrets are fetched at start by name and are in no file of ours.
  environment = {
    AWS_DEFAULT_REGION = var.region
    ODDSMITH_MODE      = var.mode
    ODDSMITH_STORE_URL = "s3://${aws_s3_bucket.store.bucket}"
    # The balancer reaches the dashboard, the training machine MLflow; security groups let nobody else in.
    BENTOML_HOST                 = "0.0.0.0"
    MLFLOW_HOST                  = "0.0.0.0"
    MLFLOW_ARTIFACTS_DESTINATION = "s3://${aws_s3_bucket.store.bucket}/mlflow"
    ODDSMITH_SPOT_GROUP          = local.training_group
    ODDSMITH_DATABASE_HOST       = aws_db_instance.journal.address
    ODDSMITH_DATABASE_SECRET     = aws_db_instance.journal.master_user_secret[0].secret_arn
    ODDSMITH_TRADING_SECRET      = aws_secretsmanager_secret.kept["trading"].arn
    ODDSMITH_FEEDS_SECRET        = aws_secretsmanager_secret.kept["feeds"].arn
    ODDSMITH_ALERTS_SECRET       = aws_secretsmanager_secret.kept["alerts"].arn
    ODDSMITH_LOG_GROUP           = aws_cloudwatch_log_group.oddsmith.name
    ODDSMITH_ALLOWED_HOSTS       = var.dashboard_domain
  }

  # AWS regions in countries from which the venue takes no opening orders (docs.polymarket.com, geographic restrictions,
  # read in November 2026). The bot asks the venue itself at its start and hourly; this list only spares the expense.
  closed_regions = {
    us-east-1      = "the United States"
    us-east-2      = "the United States"
    us-west-1      = "the United States"
    us-west-2      = "the United States"
    us-gov-east-1  = "the United States"
    us-gov-west-1  = "the United States"
    ap-southeast-1 = "Singapore"
    ap-southeast-2 = "Australia"
    ap-southeast-4 = "Australia"
    ap-southeast-7 = "Thailand"
    ap-east-2      = "Taiwan"
    eu-central-1   = "Germany"
    eu-south-1     = "Italy"
    eu-west-2      = "the United Kingdom"
    eu-west-3      = "France"
  }

  # A fixed name, so that the trading machine can know the group before the group knows the trading machine.
  training_group = "${var.name}-training"
}
