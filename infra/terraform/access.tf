# A role per machine; each may do what it does and no more. The training machine cannot read the trading key.
data "aws_iam_policy_document" "machine" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["ec2.amazonaws.com"]
    }
  }
}

data "aws_iam_policy_document" "store" {
  statement {
    sid       = "List"
    actions   = ["s3:ListBucket", "s3:GetBucketLocation"]
    resources = [aws_s3_bucket.store.arn]
  }
  statement {
    sid       = "ReadAndWrite"
    actions   = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"]
    resources = ["${aws_s3_bucket.store.arn}/*"]
  }
  statement {
    sid       = "Log"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams"]
    resources = ["${aws_cloudwatch_log_group.oddsmith.arn}:*"]
  }
}

data "aws_iam_policy_document" "trading" {
  source_policy_documents = [data.aws_iam_policy_document.store.json]

  statement {
    sid       = "OwnSecrets"
    actions   = ["secretsmanager:GetSecretValue"]
    resources = concat([for secret in aws_secretsmanager_secret.kept : secret.arn], [aws_db_instance.journal.master_user_secret[0].secret_arn])
  }
  statement {
    sid       = "RaiseAndLowerTraining"
    actions   = ["autoscaling:SetDesiredCapacity"]
    resources = ["arn:aws:autoscaling:${var.region}:*:autoScalingGroup:*:autoScalingGroupName/${local.training_group}"]
  }
  statement {
    sid       = "SeeTraining"
    actions   = ["autoscaling:DescribeAutoScalingGroups"]
    resources = ["*"] # the action knows no narrower resource
  }
  statement {
    sid       = "SeeTheBill"
    actions   = ["ce:GetCostAndUsage"]
    resources = ["*"] # the action knows no narrower resource
  }
  statement {
    sid       = "Images"
    actions   = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer", "ecr:BatchCheckLayerAvailability", "ecr:PutImage", "ecr:InitiateLayerUpload", "ecr:UploadLayerPart", "ecr:CompleteLayerUpload"]
    resources = [aws_ecr_repository.service.arn]
  }
  statement {
    sid       = "ImageLogin"
    actions   = ["ecr:GetAuthorizationToken"]
    resources = ["*"] # the action knows no narrower resource
  }
}

resource "aws_iam_role" "machine" {
  for_each           = toset(["trading", "training"])
  name               = "${var.name}-${each.key}"
  assume_role_policy = data.aws_iam_policy_document.machine.json
}

resource "aws_iam_role_policy" "machine" {
  for_each = {
    trading  = data.aws_iam_policy_document.trading.json
    training = data.aws_iam_policy_document.store.json
  }
  name   = each.key
  role   = aws_iam_role.machine[each.key].id
  policy = each.value
}

# A shell without an open port.
resource "aws_iam_role_policy_attachment" "shell" {
  for_each   = aws_iam_role.machine
  role       = each.value.name
  policy_arn = "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"
}

resource "aws_iam_instance_profile" "machine" {
  for_each = aws_iam_role.machine
  name     = each.value.name
  role     = each.value.name
}
