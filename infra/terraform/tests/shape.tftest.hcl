# Plans and applies against a mocked provider: needs no account, no emulator and no network.
variables {
  region = "eu-west-1"
}

mock_provider "aws" {
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{\"Version\":\"2012-10-17\",\"Statement\":[]}" }
  }
  mock_data "aws_availability_zones" {
    defaults = { names = ["us-east-1a", "us-east-1b", "us-east-1c"] }
  }
  mock_data "aws_ssm_parameter" {
    defaults = { value = "ami-0123456789abcdef0" }
  }
  mock_resource "aws_db_instance" {
    defaults = {
      address            = "journal.example"
      master_user_secret = [{ secret_arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:journal" }]
    }
  }
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/machine" }
  }
  mock_resource "aws_launch_template" {
    defaults = { id = "lt-0123456789abcdef0" }
  }
  mock_resource "aws_sns_topic" {
    defaults = { arn = "arn:aws:sns:us-east-1:123456789012:alarms" }
  }
  mock_resource "aws_cognito_user_pool" {
    defaults = { arn = "arn:aws:cognito-idp:us-east-1:123456789012:userpool/us-east-1_people" }
  }
  mock_resource "aws_lb" {
    defaults = { arn = "arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/app/dashboard/50dc6c495c0c9188" }
  }
  mock_resource "aws_lb_target_group" {
    defaults = { arn = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/dashboard/73e2d6bc24d8a067" }
  }
}

run "the_guides_machines" {
  assert {
    condition     = aws_instance.trading.instance_type == "c5.xlarge"
    error_message = "The trading machine is the guide's c5.xlarge."
  }
  assert {
    condition     = one(one(aws_autoscaling_group.training.mixed_instances_policy).launch_template).override[0].instance_type == "g4dn.xlarge"
    error_message = "The training machine is the guide's g4dn.xlarge."
  }
  assert {
    condition     = aws_db_instance.journal.engine == "postgres"
    error_message = "The journal lives in PostgreSQL."
  }
}

run "training_is_spot_and_zero_to_one" {
  assert {
    condition     = aws_autoscaling_group.training.min_size == 0 && aws_autoscaling_group.training.max_size == 1 && aws_autoscaling_group.training.desired_capacity == 0
    error_message = "The training group is 0..1 and starts with 0."
  }
  assert {
    condition = alltrue([
      for policy in one(aws_autoscaling_group.training.mixed_instances_policy).instances_distribution :
      policy.on_demand_base_capacity == 0 && policy.on_demand_percentage_above_base_capacity == 0
    ])
    error_message = "No training machine is bought on demand."
  }
}

run "nobody_gets_in_by_default" {
  assert {
    condition     = length(aws_vpc_security_group_ingress_rule.people) == 0
    error_message = "The dashboard is open to nobody until allowed_cidrs says so."
  }
  assert {
    condition     = !aws_db_instance.journal.publicly_accessible && aws_db_instance.journal.storage_encrypted && aws_db_instance.journal.deletion_protection
    error_message = "The database is private, encrypted and protected from deletion."
  }
  assert {
    condition     = aws_s3_bucket_public_access_block.store.block_public_acls && aws_s3_bucket_public_access_block.store.restrict_public_buckets
    error_message = "The bucket is closed to the public."
  }
  assert {
    condition     = one(aws_instance.trading.metadata_options).http_tokens == "required" && one(aws_launch_template.training.metadata_options).http_tokens == "required"
    error_message = "Machines answer metadata requests with a token alone (IMDSv2)."
  }
}

run "no_secret_passes_through_terraform" {
  assert {
    condition     = aws_db_instance.journal.manage_master_user_password && aws_db_instance.journal.password == null
    error_message = "RDS makes and keeps the password."
  }
  assert {
    condition     = !strcontains(aws_instance.trading.user_data, "PRIVATE_KEY")
    error_message = "The first-boot script names secrets, and holds none."
  }
}

run "every_unit_knows_the_mode" {
  assert {
    condition     = local.environment["ODDSMITH_MODE"] == "paper" && strcontains(aws_instance.trading.user_data, "ODDSMITH_MODE=paper")
    error_message = "The mode is in the environment of all units, not in a secret that only the bot reads."
  }
}

run "live_trading_is_not_built_where_the_venue_is_closed" {
  command = plan
  variables {
    region = "us-east-1"
    mode   = "live"
  }
  expect_failures = [aws_instance.trading]
}

run "paper_trading_runs_anywhere" {
  command = plan
  variables {
    region = "us-east-1"
  }
}

run "an_unknown_mode_is_refused" {
  command = plan
  variables {
    mode = "simulated"
  }
  expect_failures = [var.mode]
}

run "the_bill_rings" {
  variables {
    budget_monthly_usd = 200
    alarm_email        = "someone@example.org"
  }
  assert {
    condition     = aws_budgets_budget.monthly.limit_amount == "200.0" && length(aws_budgets_budget.monthly.notification) == 2
    error_message = "The budget rings at 80 % spent and at 100 % forecast."
  }
  assert {
    condition     = length(aws_sns_topic_subscription.email) == 1
    error_message = "An address hears of it."
  }
}

run "https_with_a_certificate" {
  variables {
    allowed_cidrs    = ["203.0.113.7/32"]
    certificate_arn  = "arn:aws:acm:us-east-1:123456789012:certificate/one"
    dashboard_domain = "bot.example.org"
  }
  assert {
    condition     = aws_lb_listener.dashboard.protocol == "HTTPS" && aws_lb_listener.dashboard.port == 443
    error_message = "With a certificate the dashboard speaks HTTPS."
  }
  assert {
    condition     = aws_lb_listener.dashboard.default_action[0].type == "authenticate-cognito" && aws_lb_listener.dashboard.default_action[1].type == "forward"
    error_message = "A person signs in before a request reaches the dashboard."
  }
  assert {
    condition     = one(aws_cognito_user_pool.people[0].admin_create_user_config).allow_admin_create_user_only && aws_cognito_user_pool.people[0].mfa_configuration == "ON"
    error_message = "Nobody signs up by themselves, and a second factor is asked for."
  }
  assert {
    condition     = local.environment["ODDSMITH_ALLOWED_HOSTS"] == "bot.example.org"
    error_message = "The service takes the name that people open."
  }
}

run "nothing_is_forwarded_without_a_login" {
  assert {
    condition     = length(aws_lb_listener.dashboard.default_action) == 1 && aws_lb_listener.dashboard.default_action[0].type == "fixed-response"
    error_message = "Without a certificate there is no login, and nothing reaches the dashboard."
  }
}

run "a_login_needs_the_name_it_leads_back_to" {
  command = plan
  variables {
    certificate_arn = "arn:aws:acm:us-east-1:123456789012:certificate/one"
  }
  expect_failures = [aws_cognito_user_pool_client.dashboard]
}

run "no_dashboard_without_https" {
  command = plan
  variables {
    allowed_cidrs = ["203.0.113.7/32"]
  }
  expect_failures = [aws_vpc_security_group_ingress_rule.people]
}

run "a_second_training_machine_is_refused" {
  command = plan
  variables {
    training_max_size = 2
  }
  expect_failures = [var.training_max_size]
}
