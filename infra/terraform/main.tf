# oddsmith on AWS: one machine that trades, one that trains at night for as long as training takes, and what they keep.
# A file per concern: network, firewall, access (roles), storage, database, secrets, trading, training, balancer, registry, watch.
locals {
  ports = { dashboard = 3000, mlflow = 5000 }

  # What a machine needs to know to find the rest; secrets are fetched at start by name and stand in no file of ours.
  environment = {
    AWS_DEFAULT_REGION       = var.region
    ODDSMITH_STORE_URL       = "s3://${aws_s3_bucket.store.bucket}"
    ODDSMITH_SPOT_GROUP      = local.training_group
    ODDSMITH_DATABASE_HOST   = aws_db_instance.journal.address
    ODDSMITH_DATABASE_SECRET = aws_db_instance.journal.master_user_secret[0].secret_arn
    ODDSMITH_TRADING_SECRET  = aws_secretsmanager_secret.kept["trading"].arn
    ODDSMITH_FEEDS_SECRET    = aws_secretsmanager_secret.kept["feeds"].arn
    ODDSMITH_LOG_GROUP       = aws_cloudwatch_log_group.oddsmith.name
    ODDSMITH_ALLOWED_HOSTS   = var.dashboard_domain
  }

  # A fixed name, so that the trading machine can know the group before the group knows the trading machine.
  training_group = "${var.name}-training"
}
