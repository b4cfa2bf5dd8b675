#!/bin/sh
# The main job, on a small folder of generated sounds or on a folder of your own:
#   docs/demo.sh WORKING_FOLDER [SOUNDS]
# Needs `audiosearch` on the PATH; `make demo` sees to that. The library made here is the demo's
# own: your own library, if you have one, is left alone.
set -eu
work=$1
given=${2:-}
sounds=$given
mkdir -p "$work"
AUDIOSEARCH_DATA_DIR=$(cd "$work" && pwd)/library
if [ -n "$given" ]; then # a library for each folder, without the demo's own sounds
    AUDIOSEARCH_DATA_DIR=$AUDIOSEARCH_DATA_DIR-$(printf %s "$given" | cksum | cut -d ' ' -f 1)
fi
AUDIOSEARCH_CONFIG=$work/config.toml
export AUDIOSEARCH_DATA_DIR AUDIOSEARCH_CONFIG
: > "$AUDIOSEARCH_CONFIG"

if [ -z "$sounds" ]; then
    sounds=$work/sounds
    python -m audiosearch.training.synth.examples "$sounds"
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
if [ -z "$given" ]; then
    ask find "a telephone rings" -n 3
    # scene-1.wav is knocking and then a bell, scene-2.wav the other way round.
    ask find "someone knocks on a door before a bell rings" -n 2
    ask find "a bell rings and then someone knocks" -n 2
    printf '\nListen to them in %s: scene-1.wav is knocking, then a bell; scene-2.wav a bell, then knocking.\n' \
        "$sounds"
else
    ask find "someone is speaking" -n 3
    ask find "an engine is running" -n 3
    ask find "a bird sings while the wind blows" -n 3
fi
printf '\nTry your own: make demo SOUNDS=/my/folder, or AUDIOSEARCH_DATA_DIR=%s audiosearch find "..."\n' \
    "$AUDIOSEARCH_DATA_DIR"
