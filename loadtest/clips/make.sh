#!/bin/sh
# Encodes the built-in clips of the bot client: loops of two seconds, <codec>-<height>.ivf (.h264).
# Needs ffmpeg with libvpx, libx264 and libaom. The results are in git: this is run only to change them.
#
# Picture: a test pattern that scrolls by one width each second; the box in the middle goes through all
# hues in two seconds: red, yellow, green, cyan, blue, magenta. Each clip starts with its only keyframe and
# has no hidden frames and no frames out of order.
# VP8: three temporal layers, 0 2 1 2. VP9, AV1, H.264 (constrained baseline 3.1): one.
#
# SPDX-License-Identifier: Apache-2.0
set -eu
cd "$(dirname "$0")"

# encode <codec> <width> <height> <fps> <kb/s> <output> <options of the encoder>
encode() {
    codec=$1 width=$2 height=$3 fps=$4 rate=$5 output=$6
    shift 6
    ffmpeg -v error -y -nostdin \
        -f lavfi -i "testsrc2=size=${width}x${height}:rate=$fps:duration=2" \
        -f lavfi -i "color=red:size=$((width / 4))x$((height / 4)):rate=$fps:duration=2" \
        -filter_complex "[0]scroll=horizontal=1/$fps[pattern];[1]hue=H=PI*t[box];\
[pattern][box]overlay=x=(W-w)/2:y=(H-h)/2:format=yuv420,format=yuv420p" \
        -c:v "$codec" -g 9999 -b:v "${rate}k" -maxrate "${rate}k" -bufsize "${rate}k" \
        -threads 1 -flags +bitexact -fflags +bitexact "$@" "$output"
}

# one_size <width> <height> <fps> <kb/s of VP8 and H.264> <kb/s of VP9 and AV1>
one_size() {
    realtime="-deadline realtime -lag-in-frames 0 -auto-alt-ref 0"
    layers="ts_number_layers=3:ts_target_bitrate=$(($4 * 5 / 10)),$(($4 * 7 / 10)),$4"
    layers="$layers:ts_rate_decimator=4,2,1:ts_periodicity=4:ts_layer_id=0,2,1,2:ts_layering_mode=3"
    # shellcheck disable=SC2086
    encode libvpx "$1" "$2" "$3" "$4" "vp8-$2.ivf" $realtime -cpu-used 4 -error-resilient 1 \
        -ts-parameters "$layers"
    # shellcheck disable=SC2086
    encode libvpx-vp9 "$1" "$2" "$3" "$5" "vp9-$2.ivf" $realtime -cpu-used 5 -error-resilient 1
    encode libx264 "$1" "$2" "$3" "$4" "h264-$2.h264" -profile:v baseline -level 3.1 \
        -tune zerolatency -refs 1 -sc_threshold 0 -x264-params "sliced-threads=0" \
        -bsf:v filter_units=remove_types=6 -f h264
    encode libaom-av1 "$1" "$2" "$3" "$5" "av1-$2.ivf" -usage realtime -cpu-used 6 \
        -lag-in-frames 0
}

one_size 320 180 15 100 80
one_size 640 360 30 350 250
one_size 1280 720 30 1000 700
ls -l ./*.ivf ./*.h264
