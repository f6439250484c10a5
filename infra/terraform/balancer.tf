resource "aws_lb" "dashboard" {
  name                       = "${var.name}-dashboard"
  load_balancer_type         = "application"
  subnets                    = aws_subnet.public[*].id
  security_groups            = [aws_security_group.balancer.id]
  drop_invalid_header_fields = true
}

resource "aws_lb_target_group" "dashboard" {
  name     = "${var.name}-dashboard"
  port     = local.ports.dashboard
  protocol = "HTTP"
  vpc_id   = aws_vpc.main.id

  health_check {
    path                = "/livez"
    interval            = 15
    healthy_threshold   = 2
    unhealthy_threshold = 3
  }
}

resource "aws_lb_target_group_attachment" "dashboard" {
  target_group_arn = aws_lb_target_group.dashboard.arn
  target_id        = aws_instance.trading.id
  port             = local.ports.dashboard
}

# Without a certificate the listener answers on port 80, which the firewall opens to nobody, and it forwards nothing.
# With one, a person signs in (login.tf) before a request reaches the dashboard.
resource "aws_lb_listener" "dashboard" {
  load_balancer_arn = aws_lb.dashboard.arn
  port              = var.certificate_arn == "" ? 80 : 443
  protocol          = var.certificate_arn == "" ? "HTTP" : "HTTPS"
  certificate_arn   = var.certificate_arn == "" ? null : var.certificate_arn
  ssl_policy        = var.certificate_arn == "" ? null : "ELBSecurityPolicy-TLS13-1-2-2021-06"

  dynamic "default_action" {
    for_each = local.with_login ? [1] : []
    content {
      type  = "authenticate-cognito"
      order = 1
      authenticate_cognito {
        user_pool_arn              = aws_cognito_user_pool.people[0].arn
        user_pool_client_id        = aws_cognito_user_pool_client.dashboard[0].id
        user_pool_domain           = aws_cognito_user_pool_domain.login[0].domain
        on_unauthenticated_request = "authenticate"
        session_timeout            = 43200
      }
    }
  }

  dynamic "default_action" {
    for_each = local.with_login ? [1] : []
    content {
      type             = "forward"
      order            = 2
      target_group_arn = aws_lb_target_group.dashboard.arn
    }
  }

  dynamic "default_action" {
    for_each = local.with_login ? [] : [1]
    content {
      type = "fixed-response"
      fixed_response {
        content_type = "text/plain"
        message_body = "Set certificate_arn and dashboard_domain: the dashboard is shown over HTTPS, behind a login."
        status_code  = "503"
      }
    }
  }
}
