#!/bin/sh
# The main job, on a small folder of generated sounds or on a folder of your own:
#   docs/demo.sh WORKING_FOLDER [SOUNDS]
# Needs `audiosearch` on the PATH; `make demo` sees to that. The library made here is the demo's
# own: your own library, if you have one, is left alone.
set -eu
work=$1
sounds=${2:-}
mkdir -p "$work"
AUDIOSEARCH_DATA_DIR=$(cd "$work" && pwd)/library
AUDIOSEARCH_CONFIG=$work/config.toml
export AUDIOSEARCH_DATA_DIR AUDIOSEARCH_CONFIG
: > "$AUDIOSEARCH_CONFIG"

if [ -z "$sounds" ]; then
    sounds=$work/sounds
    python -m audiosearch.audio.examples "$sounds"
fi

ask() {
    printf '\n$ audiosearch'
    for word in "$@"; do
        case $word in
            *' '*) printf ' "%s"' "$word" ;;
            *) printf ' %s' "$word" ;;
        esac
    done
    printf '\n'
    audiosearch "$@" || [ $? -eq 1 ]
}

ask index "$sounds"
ask find "a bell rings" -n 3
ask find "knocking on a door, then a bell rings" -n 3
ask find "rain is falling" -n 3
printf '\nTry your own: make demo SOUNDS=/my/folder, or AUDIOSEARCH_DATA_DIR=%s audiosearch find "..."\n' \
    "$AUDIOSEARCH_DATA_DIR"
