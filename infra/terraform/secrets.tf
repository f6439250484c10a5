# Empty secrets: people fill them with `aws secretsmanager put-secret-value`, so that no state file holds one.
resource "aws_secretsmanager_secret" "kept" {
  for_each = {
    trading = "ODDSMITH_LIVE, ODDSMITH_PRIVATE_KEY, ODDSMITH_FUNDER and the like, one KEY=value a line; read by the bot alone"
    alerts  = "PagerDuty routing key of Alertmanager, as plain text; the trading machine writes it where Alertmanager reads it"
    feeds   = "Keys of news and language-model services"
  }
  name_prefix             = "${var.name}-${each.key}-"
  description             = each.value
  recovery_window_in_days = var.deletion_protection ? 7 : 0
}
