#!/bin/sh
# Makes, when its volume is new, the two stores that are kept apart from the shop's database: each with a user
# that owns it and can do nothing in the other.
set -eu

psql --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres \
  --set keys_password="$(cat "$KEYS_PASSWORD_FILE")" --set guard_password="$(cat "$GUARD_PASSWORD_FILE")" <<'SQL'
CREATE ROLE keys LOGIN PASSWORD :'keys_password';
CREATE ROLE guard LOGIN PASSWORD :'guard_password';
ALTER DATABASE keys OWNER TO keys;
CREATE DATABASE guard OWNER guard;
REVOKE CONNECT ON DATABASE keys, guard FROM PUBLIC;
SQL
psql --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname keys --command 'ALTER SCHEMA public OWNER TO keys'
psql --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname guard --command 'ALTER SCHEMA public OWNER TO guard'
