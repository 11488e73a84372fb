#!/bin/sh
# Makes the secrets that compose.yaml reads, in the folder `secrets`; those that are there stay as they are.
set -eu
umask 077
mkdir -p secrets
cd secrets

keep() { # NAME COMMAND...: the first time, put what a command prints into a file
  name=$1
  shift
  [ -e "$name" ] || "$@" > "$name"
}
random() { openssl rand "-$1" 32 | tr -d '\n'; }
url() { printf 'postgresql+psycopg://%s:%s@%s/%s' "$1" "$(cat "$2")" "$3" "$4"; }

for each in database_password apart_password keys_password guard_password; do
  keep "$each" random hex
done
for each in pseudonym_key key_encryption_key log_key; do
  keep "$each" random base64
done
keep database_url url tactful database_password database tactful
keep keys_url url keys keys_password apart keys
keep checkpoints_url url guard guard_password apart guard
chmod 0444 ./*      # the folder is its owner's alone; in a container they are read as another user
