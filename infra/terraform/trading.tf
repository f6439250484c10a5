locals {
  ubuntu        = "/aws/service/canonical/ubuntu/server/24.04/stable/current/amd64/hvm/ebs-gp3/ami-id"
  ubuntu_nvidia = "/aws/service/deeplearning/ami/x86_64/base-oss-nvidia-driver-gpu-ubuntu-24.04/latest/ami-id"
}

data "aws_ssm_parameter" "trading_ami" {
  count = var.trading_ami == "" ? 1 : 0
  name  = local.ubuntu
}

resource "aws_instance" "trading" {
  ami                         = var.trading_ami == "" ? data.aws_ssm_parameter.trading_ami[0].value : var.trading_ami
  instance_type               = var.trading_instance_type
  subnet_id                   = aws_subnet.public[0].id
  vpc_security_group_ids      = [aws_security_group.trading.id]
  iam_instance_profile        = aws_iam_instance_profile.machine["trading"].name
  user_data_replace_on_change = false
  tags                        = { Name = "${var.name}-trading" }

  user_data = templatefile("${path.module}/templates/boot.sh.tftpl", {
    role        = "trading"
    bucket      = aws_s3_bucket.store.bucket
    release     = var.release
    environment = local.environment
  })

  metadata_options {
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }

  root_block_device {
    volume_size = 60
    volume_type = "gp3"
    encrypted   = true
  }

  lifecycle {
    ignore_changes = [ami, user_data] # a newer image must not replace the machine that holds open orders

    precondition {
      condition     = var.mode != "live" || !contains(keys(local.closed_regions), var.region)
      error_message = "Region ${var.region} lies in ${lookup(local.closed_regions, var.region, "")}, from where the venue takes no orders that open a position. Choose another region, such as eu-west-1, if you may trade there; mode paper runs anywhere."
    }
  }
}

# var/: champion, trials, kill switch, databases of Prefect and MLflow. Outlives the machine.
resource "aws_ebs_volume" "var" {
  availability_zone = aws_instance.trading.availability_zone
  size              = 50
  type              = "gp3"
  encrypted         = true
  tags              = { Name = "${var.name}-var" }
}

resource "aws_volume_attachment" "var" {
  device_name                    = "/dev/sdf"
  volume_id                      = aws_ebs_volume.var.id
  instance_id                    = aws_instance.trading.id
  stop_instance_before_detaching = true # the bot cancels its resting orders when it stops
}
