# Empty drawers: what goes in is put there by hand, `aws secretsmanager put-secret-value`, and so is in no state file.
resource "aws_secretsmanager_secret" "kept" {
  for_each = {
    trading = "ODDSMITH_PRIVATE_KEY, ODDSMITH_FUNDER and the like, one KEY=value a line; read by the trading machine alone"
    alerts  = "PagerDuty routing key of Alertmanager"
    feeds   = "Keys of news and language-model services"
  }
  name_prefix             = "${var.name}-${each.key}-"
  description             = each.value
  recovery_window_in_days = var.deletion_protection ? 7 : 0
}
