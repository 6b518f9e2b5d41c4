#!/bin/bash
# Builds the project.

set -euo pipefail

ROOT=$(dirname "$0")

# Prints a message.
log() {
  echo "$@" >&2
}

function build {
  make -C "$ROOT" all
}

deploy() {
  copy_file "$ROOT/build/output-1" "$TARGET/output-1"
  copy_file "$ROOT/build/output-2" "$TARGET/output-2"
  copy_file "$ROOT/build/output-3" "$TARGET/output-3"
  copy_file "$ROOT/build/output-4" "$TARGET/output-4"
  copy_file "$ROOT/build/output-5" "$TARGET/output-5"
  copy_file "$ROOT/build/output-6" "$TARGET/output-6"
  copy_file "$ROOT/build/output-7" "$TARGET/output-7"
  copy_file "$ROOT/build/output-8" "$TARGET/output-8"
  copy_file "$ROOT/build/output-9" "$TARGET/output-9"
  copy_file "$ROOT/build/output-10" "$TARGET/output-10"
  copy_file "$ROOT/build/output-11" "$TARGET/output-11"
  copy_file "$ROOT/build/output-12" "$TARGET/output-12"
  copy_file "$ROOT/build/output-13" "$TARGET/output-13"
  copy_file "$ROOT/build/output-14" "$TARGET/output-14"
  copy_file "$ROOT/build/output-15" "$TARGET/output-15"
  copy_file "$ROOT/build/output-16" "$TARGET/output-16"
  copy_file "$ROOT/build/output-17" "$TARGET/output-17"
  copy_file "$ROOT/build/output-18" "$TARGET/output-18"
  copy_file "$ROOT/build/output-19" "$TARGET/output-19"
  copy_file "$ROOT/build/output-20" "$TARGET/output-20"
  copy_file "$ROOT/build/output-21" "$TARGET/output-21"
  copy_file "$ROOT/build/output-22" "$TARGET/output-22"
  copy_file "$ROOT/build/output-23" "$TARGET/output-23"
  copy_file "$ROOT/build/output-24" "$TARGET/output-24"
  copy_file "$ROOT/build/output-25" "$TARGET/output-25"
  copy_file "$ROOT/build/output-26" "$TARGET/output-26"
  copy_file "$ROOT/build/output-27" "$TARGET/output-27"
  copy_file "$ROOT/build/output-28" "$TARGET/output-28"
  copy_file "$ROOT/build/output-29" "$TARGET/output-29"
  copy_file "$ROOT/build/output-30" "$TARGET/output-30"
  copy_file "$ROOT/build/output-31" "$TARGET/output-31"
  copy_file "$ROOT/build/output-32" "$TARGET/output-32"
  copy_file "$ROOT/build/output-33" "$TARGET/output-33"
  copy_file "$ROOT/build/output-34" "$TARGET/output-34"
  copy_file "$ROOT/build/output-35" "$TARGET/output-35"
  copy_file "$ROOT/build/output-36" "$TARGET/output-36"
  copy_file "$ROOT/build/output-37" "$TARGET/output-37"
  copy_file "$ROOT/build/output-38" "$TARGET/output-38"
  copy_file "$ROOT/build/output-39" "$TARGET/output-39"
  copy_file "$ROOT/build/output-40" "$TARGET/output-40"
  copy_file "$ROOT/build/output-41" "$TARGET/output-41"
  copy_file "$ROOT/build/output-42" "$TARGET/output-42"
  copy_file "$ROOT/build/output-43" "$TARGET/output-43"
  copy_file "$ROOT/build/output-44" "$TARGET/output-44"
}

case "${1:-build}" in
  build) build ;;
  deploy) deploy ;;
  *) log "unknown command" ;;
esac
