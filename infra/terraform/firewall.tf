# The way in: people -> load balancer -> dashboard; training -> MLflow on the trading machine -> database.
# There is no SSH: a shell goes through Systems Manager, which needs no open port.
resource "aws_security_group" "balancer" {
  name        = "${var.name}-balancer"
  description = "Load balancer in front of the dashboard"
  vpc_id      = aws_vpc.main.id
}

resource "aws_security_group" "trading" {
  name        = "${var.name}-trading"
  description = "Bot, dashboard, Prefect, MLflow"
  vpc_id      = aws_vpc.main.id
}

resource "aws_security_group" "training" {
  name        = "${var.name}-training"
  description = "Nightly training on spot"
  vpc_id      = aws_vpc.main.id
}

resource "aws_security_group" "database" {
  name        = "${var.name}-database"
  description = "PostgreSQL"
  vpc_id      = aws_vpc.main.id
}

resource "aws_vpc_security_group_ingress_rule" "people" {
  for_each          = toset(var.allowed_cidrs)
  security_group_id = aws_security_group.balancer.id
  description       = "Dashboard over HTTPS"
  cidr_ipv4         = each.value
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443

  lifecycle {
    precondition {
      condition     = var.certificate_arn != ""
      error_message = "allowed_cidrs was ${jsonencode(var.allowed_cidrs)} without certificate_arn: the dashboard shows your account, so it is opened over HTTPS or not at all."
    }
  }
}

resource "aws_vpc_security_group_ingress_rule" "dashboard" {
  security_group_id            = aws_security_group.trading.id
  description                  = "Dashboard from the load balancer"
  referenced_security_group_id = aws_security_group.balancer.id
  ip_protocol                  = "tcp"
  from_port                    = local.ports.dashboard
  to_port                      = local.ports.dashboard
}

resource "aws_vpc_security_group_ingress_rule" "tracking" {
  security_group_id            = aws_security_group.trading.id
  description                  = "MLflow from the training machine"
  referenced_security_group_id = aws_security_group.training.id
  ip_protocol                  = "tcp"
  from_port                    = local.ports.mlflow
  to_port                      = local.ports.mlflow
}

resource "aws_vpc_security_group_ingress_rule" "database" {
  security_group_id            = aws_security_group.database.id
  description                  = "PostgreSQL from the trading machine"
  referenced_security_group_id = aws_security_group.trading.id
  ip_protocol                  = "tcp"
  from_port                    = 5432
  to_port                      = 5432
}

resource "aws_vpc_security_group_egress_rule" "outward" {
  for_each = {
    balancer = aws_security_group.balancer.id
    trading  = aws_security_group.trading.id
    training = aws_security_group.training.id
  }
  security_group_id = each.value
  description       = "Venue, feeds, package servers, AWS"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "-1"
}
