terraform {
  required_version = ">= 1.8"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100"
    }
  }

  # State holds no secret (see secrets.tf and database.tf), but belongs off this machine:
  # terraform init -backend-config="bucket=..." once an `backend "s3" {}` block is added here.
}

locals {
  # An emulator (moto) answers every service under one address and knows no real account.
  emulated = var.endpoint_url != ""

  tags = {
    project   = "oddsmith"
    stage     = var.name
    managedby = "terraform"
  }
}

provider "aws" {
  region                      = var.region
  skip_credentials_validation = local.emulated
  skip_metadata_api_check     = local.emulated
  skip_region_validation      = local.emulated
  s3_use_path_style           = local.emulated

  default_tags {
    tags = local.tags
  }

  dynamic "endpoints" {
    for_each = local.emulated ? [var.endpoint_url] : []
    content {
      autoscaling    = endpoints.value
      budgets        = endpoints.value
      cloudwatch     = endpoints.value
      ec2            = endpoints.value
      ecr            = endpoints.value
      elbv2          = endpoints.value
      iam            = endpoints.value
      logs           = endpoints.value
      rds            = endpoints.value
      s3             = endpoints.value
      secretsmanager = endpoints.value
      sns            = endpoints.value
      ssm            = endpoints.value
      sts            = endpoints.value
    }
  }
}
