# Who may see the dashboard: people that you put into this pool, with a second factor. Nobody can sign up by themselves.
#   aws cognito-idp admin-create-user --user-pool-id POOL --username you@example.org
locals {
  with_login = var.certificate_arn != ""
}

resource "aws_cognito_user_pool" "people" {
  count               = local.with_login ? 1 : 0
  name                = "${var.name}-people"
  deletion_protection = var.deletion_protection ? "ACTIVE" : "INACTIVE"
  username_attributes = ["email"]
  mfa_configuration   = "ON"

  software_token_mfa_configuration {
    enabled = true
  }

  admin_create_user_config {
    allow_admin_create_user_only = true
  }

  password_policy {
    minimum_length    = 14
    require_lowercase = true
    require_numbers   = true
    require_symbols   = false
    require_uppercase = true
  }
}

resource "aws_cognito_user_pool_domain" "login" {
  count        = local.with_login ? 1 : 0
  domain       = var.login_domain == "" ? "${var.name}-login" : var.login_domain
  user_pool_id = aws_cognito_user_pool.people[0].id
}

resource "aws_cognito_user_pool_client" "dashboard" {
  count                                = local.with_login ? 1 : 0
  name                                 = "${var.name}-dashboard"
  user_pool_id                         = aws_cognito_user_pool.people[0].id
  generate_secret                      = true # the balancer needs one; it stays between the balancer and Cognito
  callback_urls                        = ["https://${var.dashboard_domain}/oauth2/idpresponse"]
  allowed_oauth_flows                  = ["code"]
  allowed_oauth_flows_user_pool_client = true
  allowed_oauth_scopes                 = ["openid"]
  supported_identity_providers         = ["COGNITO"]

  lifecycle {
    precondition {
      condition     = var.dashboard_domain != ""
      error_message = "certificate_arn was set without dashboard_domain: the login leads back to the name that the certificate is for."
    }
  }
}
