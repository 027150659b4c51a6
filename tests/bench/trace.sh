#!/bin/sh
# Records trace-720p.txt: the frame sizes of libvpx at 1280x720, 30 frames/s, 2.5 Mbit/s constant bitrate, as
# browsers set it up for a call (one layer, no lag, a keyframe only when asked for: here every ten seconds).
# Needs ffmpeg with libvpx. The result is in git: this is run only to change it.
#
# Picture: a zoom into a fractal with a moving inset and a camera's noise. The first ten seconds, in which the
# rate control settles, are left out. One line per frame: its bytes, and "K" for a keyframe.
#
# SPDX-License-Identifier: Apache-2.0
set -eu
cd "$(dirname "$0")"
clip=$(mktemp --suffix .ivf)
trap 'rm -f "$clip"' EXIT
ffmpeg -v error -y -nostdin -f lavfi -i "mandelbrot=size=1280x720:rate=30:maxiter=400" \
    -f lavfi -i "testsrc2=size=640x360:rate=30" \
    -filter_complex "[0][1]overlay=x='320+200*sin(t)':y=180,noise=alls=6:allf=t,format=yuv420p" \
    -t 20 -c:v libvpx -deadline realtime -cpu-used 6 -error-resilient 1 -lag-in-frames 0 -auto-alt-ref 0 \
    -g 9999 -force_key_frames 10 -b:v 2500k -minrate 2500k -maxrate 2500k -bufsize 1500k -threads 1 "$clip"
ffprobe -v error -show_entries packet=size,flags -of csv=p=0 "$clip" | tail -n +301 |
    awk -F, '{ print $1 (substr($2, 1, 1) == "K" ? " K" : "") }' >trace-720p.txt
