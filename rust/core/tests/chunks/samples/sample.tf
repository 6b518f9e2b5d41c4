# Where the shop runs.
terraform {
  required_version = ">= 1.7"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.0"
    }
  }
}

provider "aws" {
  region = var.region
}

variable "region" {
  type        = string
  description = "Where everything is."
  default     = "eu-central-1"

  validation {
    condition     = startswith(var.region, "eu-")
    error_message = "Data stays in the union."
  }
}

variable "replicas" {
  type    = number
  default = 3
}

locals {
  name = "shop-${terraform.workspace}"
  tags = {
    Project = "shop"
    Stage   = terraform.workspace
  }
}

data "aws_ami" "debian" {
  most_recent = true
  owners      = ["136693071363"]

  filter {
    name   = "name"
    values = ["debian-12-amd64-*"]
  }
}

module "network" {
  source = "./modules/network"
  name   = local.name
  cidr   = "10.0.0.0/16"
}

# What answers.
resource "aws_instance" "web" {
  count                  = var.replicas
  ami                    = data.aws_ami.debian.id
  instance_type          = "t3.small"
  subnet_id              = module.network.private_subnets[count.index % 3]
  vpc_security_group_ids = [aws_security_group.web.id]
  tags                   = merge(local.tags, { Name = "${local.name}-${count.index}" })

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_security_group" "web" {
  name        = "${local.name}-web"
  description = "Who may talk to the web servers, and whom they may talk to."
  vpc_id      = module.network.vpc_id
  tags        = local.tags

  ingress {
    description     = "Requests, which the load balancer passes on without their encryption"
    from_port       = 8080
    to_port         = 8080
    protocol        = "tcp"
    security_groups = [aws_security_group.balancer.id]
  }

  ingress {
    description     = "Figures, which are collected every fifteen seconds from each of them"
    from_port       = 9100
    to_port         = 9100
    protocol        = "tcp"
    security_groups = [aws_security_group.monitoring.id]
  }

  ingress {
    description     = "Shells, for those who have to look at something on the spot and in person"
    from_port       = 22
    to_port         = 22
    protocol        = "tcp"
    cidr_blocks     = [for office in var.offices : "${office.address}/32"]
    ipv6_cidr_blocks = [for office in var.offices : "${office.address6}/128"]
  }

  ingress {
    description = "Partners, by the country in which they are"
    from_port   = 8443
    to_port     = 8443
    protocol    = "tcp"
    cidr_blocks = [
      var.partners["Austria"].address,
      var.partners["Belgium"].address,
      var.partners["Bulgaria"].address,
      var.partners["Croatia"].address,
      var.partners["Cyprus"].address,
      var.partners["Czechia"].address,
      var.partners["Denmark"].address,
      var.partners["Estonia"].address,
      var.partners["Finland"].address,
      var.partners["France"].address,
      var.partners["Germany"].address,
      var.partners["Greece"].address,
      var.partners["Hungary"].address,
      var.partners["Iceland"].address,
      var.partners["Ireland"].address,
      var.partners["Italy"].address,
    ]
  }

  egress {
    description     = "The database, which is in a network of its own and answers nobody else"
    from_port       = 5432
    to_port         = 5432
    protocol        = "tcp"
    security_groups = [aws_security_group.database.id]
  }

  egress {
    description = "Payments, mail and the services of those who carry the parcels to the customers"
    from_port   = 443
    to_port     = 443
    protocol    = "tcp"
    cidr_blocks = ["0.0.0.0/0"]
  }

  egress {
    description = "Time, without which no certificate can be checked and no log can be compared"
    from_port   = 123
    to_port     = 123
    protocol    = "udp"
    cidr_blocks = ["169.254.169.123/32"]
  }
}

output "addresses" {
  value     = aws_instance.web[*].private_ip
  sensitive = true
}
