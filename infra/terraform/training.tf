data "aws_ssm_parameter" "training_ami" {
  count = var.training_ami == "" ? 1 : 0
  name  = local.ubuntu_nvidia
}

resource "aws_launch_template" "training" {
  name_prefix            = "${var.name}-training-"
  image_id               = var.training_ami == "" ? data.aws_ssm_parameter.training_ami[0].value : var.training_ami
  instance_type          = var.training_instance_type
  update_default_version = true

  user_data = base64encode(templatefile("${path.module}/templates/boot.sh.tftpl", {
    role        = "training"
    bucket      = aws_s3_bucket.store.bucket
    release     = var.release
    environment = merge(local.environment, { MLFLOW_TRACKING_URI = "http://${aws_instance.trading.private_ip}:${local.ports.mlflow}" })
  }))

  iam_instance_profile {
    name = aws_iam_instance_profile.machine["training"].name
  }

  network_interfaces {
    associate_public_ip_address = true
    security_groups             = [aws_security_group.training.id]
  }

  metadata_options {
    http_tokens = "required"
  }

  block_device_mappings {
    device_name = "/dev/sda1"
    ebs {
      volume_size           = 100
      volume_type           = "gp3"
      encrypted             = true
      delete_on_termination = true
    }
  }

  tag_specifications {
    resource_type = "instance"
    tags          = merge(local.tags, { Name = "${var.name}-training" })
  }
}

# 0..1 machines, 0 outside the night: flows/spot.py raises and lowers it. When AWS takes the machine back, the group replaces
# it as soon as there is another, and the new one goes on from the checkpoint in the bucket.
resource "aws_autoscaling_group" "training" {
  name                      = local.training_group
  min_size                  = 0
  max_size                  = var.training_max_size
  desired_capacity          = 0
  vpc_zone_identifier       = aws_subnet.public[*].id
  wait_for_capacity_timeout = "0"
  health_check_type         = "EC2"

  mixed_instances_policy {
    instances_distribution {
      on_demand_base_capacity                  = 0
      on_demand_percentage_above_base_capacity = 0
      spot_allocation_strategy                 = "price-capacity-optimized"
    }
    launch_template {
      launch_template_specification {
        launch_template_id = aws_launch_template.training.id
        version            = "$Latest"
      }
      override {
        instance_type = var.training_instance_type
      }
    }
  }

  lifecycle {
    ignore_changes = [desired_capacity] # belongs to the nightly flow
  }
}

# The nightly flow lowers the group itself. Should it die first, a forgotten machine costs one morning and no more.
resource "aws_autoscaling_schedule" "forgotten" {
  scheduled_action_name  = "lower-what-was-forgotten"
  autoscaling_group_name = aws_autoscaling_group.training.name
  recurrence             = "0 10 * * *"
  min_size               = 0
  max_size               = var.training_max_size
  desired_capacity       = 0
}
