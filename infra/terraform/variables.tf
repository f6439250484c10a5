variable "name" {
  description = "Prefix of every resource; two installations in one account need two names."
  type        = string
  default     = "oddsmith"
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,20}$", var.name))
    error_message = "The name must be 2 to 21 lower-case letters, digits and hyphens, beginning with a letter."
  }
}

variable "region" {
  description = "Where everything runs; there is no default, because the venue takes no orders from many countries. It names eu-west-1 as the open region nearest to its servers."
  type        = string
}

variable "mode" {
  description = "What the machines do, ODDSMITH_MODE of every unit: paper (live market data, no orders) or live (real orders; the trading secret needs ODDSMITH_LIVE and a key, too)."
  type        = string
  default     = "paper"
  validation {
    condition     = contains(["paper", "live"], var.mode)
    error_message = "The mode is paper or live; simulated needs no cloud."
  }
}

variable "endpoint_url" {
  description = "Address of an emulator that answers for all services; empty means AWS itself."
  type        = string
  default     = ""
}

variable "trading_instance_type" {
  description = "Machine of the bot, the dashboard, Prefect and MLflow."
  type        = string
  default     = "c5.xlarge"
}

variable "training_instance_type" {
  description = "Machine of the nightly training; a spot request."
  type        = string
  default     = "g4dn.xlarge"
}

variable "training_max_size" {
  description = "Upper bound of the training group. One nightly run needs one machine."
  type        = number
  default     = 1
  validation {
    condition     = contains([0, 1], var.training_max_size)
    error_message = "The training group is 0..1: a second machine would train the same checkpoint."
  }
}

variable "trading_ami" {
  description = "Image of the trading machine; empty means the newest Ubuntu 24.04."
  type        = string
  default     = ""
}

variable "training_ami" {
  description = "Image of the training machine; empty means the newest Ubuntu 24.04 with NVIDIA driver and CUDA."
  type        = string
  default     = ""
}

variable "release" {
  description = "Object below releases/ in the bucket that machines install at first boot (infra/release.sh uploads it)."
  type        = string
  default     = "oddsmith.tar.gz"
}

variable "database_instance_class" {
  description = "Machine class of PostgreSQL."
  type        = string
  default     = "db.t4g.medium"
}

variable "postgres_version" {
  description = "Major version of PostgreSQL. The guide names 14, whose community support ended in November 2026."
  type        = string
  default     = "16"
}

variable "deletion_protection" {
  description = "Keeps the database and the bucket from being destroyed together with the rest."
  type        = bool
  default     = true
}

variable "allowed_cidrs" {
  description = "Who may reach the dashboard through the load balancer; nobody by default."
  type        = list(string)
  default     = []
}

variable "certificate_arn" {
  description = "Certificate of the HTTPS listener; needed before anybody is allowed in."
  type        = string
  default     = ""
}

variable "dashboard_domain" {
  description = "Name under which people open the dashboard, the certificate's; the service and the login take no other."
  type        = string
  default     = ""
}

variable "login_domain" {
  description = "Prefix of the login page at amazoncognito.com, unique in the region; empty means NAME-login."
  type        = string
  default     = ""
}

variable "log_retention_days" {
  description = "How long CloudWatch keeps logs."
  type        = number
  default     = 30
}

variable "budget_monthly_usd" {
  description = "Monthly limit of the budget alarm; `oddsmith costs` prints what to expect."
  type        = number
  default     = 640
  validation {
    condition     = var.budget_monthly_usd > 0
    error_message = "The budget must be more than 0 USD."
  }
}

variable "alarm_email" {
  description = "Who hears of the budget and of a failed machine; empty means only the SNS topic."
  type        = string
  default     = ""
}
