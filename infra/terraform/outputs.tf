output "bucket" {
  description = "Bucket of data, models, checkpoints, releases and backups; `dvc remote add -d s3 s3://BUCKET/dvc`."
  value       = aws_s3_bucket.store.bucket
}

output "dashboard_address" {
  description = "DNS name of the load balancer."
  value       = aws_lb.dashboard.dns_name
}

output "trading_instance_id" {
  description = "For `aws ssm start-session --target`."
  value       = aws_instance.trading.id
}

output "training_group" {
  description = "Value of ODDSMITH_SPOT_GROUP."
  value       = aws_autoscaling_group.training.name
}

output "registry" {
  description = "Repository of service images."
  value       = aws_ecr_repository.service.repository_url
}

output "trading_secret" {
  description = "Name of the secret that waits for ODDSMITH_PRIVATE_KEY=... lines."
  value       = aws_secretsmanager_secret.kept["trading"].name
}

output "database_host" {
  description = "Address of the journal's database."
  value       = aws_db_instance.journal.address
}
