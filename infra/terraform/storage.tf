# One bucket: dvc/ (data, models), mlflow/ (artifacts), spot/ (jobs and checkpoints of the
# training machine), bundles/ (champions), releases/ (code), backups/ (var/).
resource "aws_s3_bucket" "store" {
  bucket_prefix = "${var.name}-"
  force_destroy = !var.deletion_protection
}

resource "aws_s3_bucket_versioning" "store" {
  bucket = aws_s3_bucket.store.id
  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "store" {
  bucket = aws_s3_bucket.store.id
  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

resource "aws_s3_bucket_public_access_block" "store" {
  bucket                  = aws_s3_bucket.store.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_lifecycle_configuration" "store" {
  bucket = aws_s3_bucket.store.id

  rule {
    id     = "jobs-are-for-one-night"
    status = "Enabled"
    filter {
      prefix = "spot/"
    }
    expiration {
      days = 14
    }
  }

  rule {
    id     = "backups-of-a-quarter"
    status = "Enabled"
    filter {
      prefix = "backups/"
    }
    expiration {
      days = 90
    }
  }

  rule {
    id     = "old-versions-go"
    status = "Enabled"
    filter {}
    noncurrent_version_expiration {
      noncurrent_days = 30
    }
    abort_incomplete_multipart_upload {
      days_after_initiation = 3
    }
  }
}
