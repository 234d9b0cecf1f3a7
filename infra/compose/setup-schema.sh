#!/bin/sh
# Creates Temporal's two databases where they are missing and updates their schemas. Reads SQL_* from the environment.
set -eu

setup() {
  database=$1
  folder=/etc/temporal/schema/postgresql/v12/$2/versioned
  # `create` and `setup-schema` fail where their work is done already; `update-schema` must succeed.
  temporal-sql-tool --db "$database" create || true
  temporal-sql-tool --db "$database" setup-schema -v 0.0 || true
  temporal-sql-tool --db "$database" update-schema -d "$folder"
}

setup temporal temporal
setup temporal_visibility visibility
