resource "aws_db_subnet_group" "journal" {
  name       = "${var.name}-journal"
  subnet_ids = aws_subnet.private[*].id
}

# The order journal. RDS makes the password and keeps it in Secrets Manager, so it never
# passes through Terraform's state.
resource "aws_db_instance" "journal" {
  identifier                  = "${var.name}-journal"
  engine                      = "postgres"
  engine_version              = var.postgres_version
  instance_class              = var.database_instance_class
  allocated_storage           = 50
  max_allocated_storage       = 200
  storage_type                = "gp3"
  storage_encrypted           = true
  db_name                     = "oddsmith"
  username                    = "oddsmith"
  manage_master_user_password = true
  db_subnet_group_name        = aws_db_subnet_group.journal.name
  vpc_security_group_ids      = [aws_security_group.database.id]
  publicly_accessible         = false
  backup_retention_period     = 7
  backup_window               = "03:30-04:30" # after the nightly flow
  copy_tags_to_snapshot       = true
  deletion_protection         = var.deletion_protection
  skip_final_snapshot         = !var.deletion_protection
  final_snapshot_identifier   = var.deletion_protection ? "${var.name}-journal-final" : null
}
