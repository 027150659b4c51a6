#!/usr/bin/python3
# gst_whip.py - publishes by WHIP (RFC 9725) and watches by WHEP with GStreamer's webrtcbin.
#
# The only HTTP is that of any such client: POST an offer, DELETE the session. What happens is printed as
# JSON lines; the session ends when standard input does.
# SPDX-License-Identifier: Apache-2.0
"""usage: gst_whip.py publish|watch URL TOKEN [--codec vp8|h264] [--no-audio] [--no-video]
          [--size WxH] [--tone HZ] [--seconds N]"""
import argparse
import json
import sys
import threading
import urllib.error
import urllib.parse
import urllib.request

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstSdp", "1.0")
gi.require_version("GstWebRTC", "1.0")
from gi.repository import GLib, Gst, GstSdp, GstWebRTC  # noqa: E402

ENCODERS = {
    "vp8": "vp8enc deadline=1 keyframe-max-dist=60 target-bitrate=600000 ! rtpvp8pay pt=96 picture-id-mode=15-bit",
    "h264": "x264enc tune=zerolatency speed-preset=ultrafast key-int-max=60 bitrate=600"
    " ! video/x-h264,profile=constrained-baseline"
    " ! rtph264pay config-interval=-1 aggregate-mode=zero-latency pt=96",
}
DECODERS = {"vp8": "rtpvp8depay ! vp8dec", "h264": "rtph264depay ! h264parse ! avdec_h264"}
NAMES = {"vp8": "VP8", "h264": "H264"}

lock = threading.Lock()


def say(event, **fields):
    with lock:
        print(json.dumps({"event": event, **fields}), flush=True)


class Client:
    def __init__(self, options):
        self.options = options
        self.loop = GLib.MainLoop()
        self.pipeline = Gst.Pipeline.new(None)
        self.bin = Gst.ElementFactory.make("webrtcbin", None)
        if self.bin is None:
            sys.exit("gst_whip.py: GStreamer has no webrtcbin")
        self.bin.set_property("bundle-policy", GstWebRTC.WebRTCBundlePolicy.MAX_BUNDLE)
        self.pipeline.add(self.bin)
        self.location = None
        self.frames = 0
        self.changes = 0
        self.size = None
        self.mark = None
        self.level = None
        self.has_offered = False
        bus = self.pipeline.get_bus()
        bus.add_signal_watch()
        bus.connect("message", self.on_message)
        self.bin.connect("on-negotiation-needed", self.on_negotiation_needed)
        for name in ("ice-connection-state", "connection-state"):
            self.bin.connect("notify::" + name, self.on_state, name)

    # ---- the session ----

    def request(self, method, url, body=None, headers=None):
        request = urllib.request.Request(url, data=body, method=method, headers=headers or {})
        try:
            with urllib.request.urlopen(request, timeout=15) as answer:
                return answer.status, dict(answer.headers.items()), answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, dict(error.headers.items()), error.read().decode()

    def on_negotiation_needed(self, element):
        if not self.has_offered:
            self.has_offered = True
            element.emit("create-offer", None, Gst.Promise.new_with_change_func(self.on_offer, None))

    def on_offer(self, promise, *_):
        reply = promise.get_reply()
        offer = reply.get_value("offer")
        self.bin.emit("set-local-description", offer, Gst.Promise.new())
        threading.Thread(target=self.post, args=(offer.sdp.as_text(),), daemon=True).start()

    def post(self, sdp):
        if self.options.print_sdp:
            say("offer", sdp=sdp)
        status, headers, text = self.request(
            "POST",
            self.options.url,
            sdp.encode(),
            {"Content-Type": "application/sdp", "Authorization": "Bearer " + self.options.token},
        )
        headers = {name.lower(): value for name, value in headers.items()}
        if status != 201:
            say("refused", status=status, body=text)
            self.loop.quit()
            return
        self.location = urllib.parse.urljoin(self.options.url, headers["location"])
        say("created", location=self.location, etag=headers.get("etag"))
        if self.options.print_sdp:
            say("answer", sdp=text)
        result, message = GstSdp.SDPMessage.new()
        if GstSdp.sdp_message_parse_buffer(text.encode(), message) != GstSdp.SDPResult.OK:
            sys.exit("gst_whip.py: the answer cannot be read")
        answer = GstWebRTC.WebRTCSessionDescription.new(GstWebRTC.WebRTCSDPType.ANSWER, message)
        self.bin.emit("set-remote-description", answer, Gst.Promise.new())

    def on_state(self, element, _, name):
        say("state", what=name, value=element.get_property(name).value_nick)

    def on_message(self, _, message):
        if message.type == Gst.MessageType.ERROR:
            error, debug = message.parse_error()
            say("error", message=error.message, debug=debug)
            self.loop.quit()
        elif message.type == Gst.MessageType.ELEMENT and message.get_structure().get_name() == "level":
            # the overridden get_value() cannot read GValueArray; the text of it can be read by anybody
            text = message.get_structure().to_string()
            rms = text.split("rms=", 1)[1].split("<", 1)[1].split(">", 1)[0].split(",")[0]
            self.level = float(rms.split(")")[-1])

    # ---- media ----

    def add(self, description):
        element = Gst.parse_bin_from_description(description, True)
        self.pipeline.add(element)
        return element

    def publish(self):
        width, height = self.options.size.split("x")
        if not self.options.no_video:
            video = self.add(
                f"videotestsrc is-live=true pattern=ball ! video/x-raw,width={width},height={height},framerate=30/1"
                f" ! timeoverlay ! videoconvert ! video/x-raw,format=I420 ! queue ! {ENCODERS[self.options.codec]}"
            )
            video.link(self.bin)
        if not self.options.no_audio:
            audio = self.add(
                f"audiotestsrc is-live=true wave=sine freq={self.options.tone} volume=0.5"
                " ! audioconvert ! audioresample ! opusenc ! rtpopuspay pt=111"
            )
            audio.link(self.bin)

    def watch(self):
        self.bin.connect("pad-added", self.on_pad)
        receive = GstWebRTC.WebRTCRTPTransceiverDirection.RECVONLY
        if not self.options.no_video:
            self.bin.emit("add-transceiver", receive, Gst.Caps.from_string(
                f"application/x-rtp,media=video,encoding-name={NAMES[self.options.codec]},clock-rate=90000,payload=96"
                + (",packetization-mode=(string)1,profile-level-id=(string)42e01f"
                   if self.options.codec == "h264" else "")))
        if not self.options.no_audio:
            self.bin.emit("add-transceiver", receive, Gst.Caps.from_string(
                "application/x-rtp,media=audio,encoding-name=OPUS,clock-rate=48000,payload=111,"
                "encoding-params=(string)2"))

    def on_pad(self, _, pad):
        if pad.get_direction() != Gst.PadDirection.SRC:
            return
        media = pad.get_current_caps().get_structure(0).get_string("media")
        say("pad", media=media)
        sink = self.add(
            f"queue ! {DECODERS[self.options.codec]} ! videoconvert ! video/x-raw,format=I420"
            " ! appsink name=sink emit-signals=true sync=false max-buffers=4 drop=true"
            if media == "video"
            else "queue ! rtpopusdepay ! opusdec plc=true ! audioconvert ! level interval=200000000 post-messages=true"
            " ! fakesink sync=false"
        )
        if media == "video":
            sink.get_by_name("sink").connect("new-sample", self.on_frame)
        sink.sync_state_with_parent()
        pad.link(sink.get_static_pad("sink"))

    def on_frame(self, sink):
        sample = sink.emit("pull-sample")
        caps = sample.get_caps().get_structure(0)
        buffer = sample.get_buffer()
        mark = hash(buffer.extract_dup(0, buffer.get_size()))
        self.frames += 1
        self.changes += mark != self.mark
        self.mark = mark
        self.size = [caps.get_int("width")[1], caps.get_int("height")[1]]
        return Gst.FlowReturn.OK

    def report(self):
        if self.options.role == "watch":
            say("media", frames=self.frames, changes=self.changes, size=self.size, level=self.level)
        return True

    # ---- from start to end ----

    def wait_for_end(self):
        sys.stdin.read()
        GLib.idle_add(self.loop.quit)

    def run(self):
        getattr(self, self.options.role)()
        GLib.timeout_add(250, self.report)
        if self.options.seconds:
            GLib.timeout_add_seconds(self.options.seconds, self.loop.quit)
        else:
            threading.Thread(target=self.wait_for_end, daemon=True).start()
        self.pipeline.set_state(Gst.State.PLAYING)
        self.loop.run()
        if self.location is not None:
            status, _, _ = self.request("DELETE", self.location)
            say("deleted", status=status)
        self.pipeline.set_state(Gst.State.NULL)


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("role", choices=("publish", "watch"))
    parser.add_argument("url")
    parser.add_argument("token")
    parser.add_argument("--codec", choices=sorted(ENCODERS), default="vp8")
    parser.add_argument("--no-audio", action="store_true")
    parser.add_argument("--no-video", action="store_true")
    parser.add_argument("--size", default="640x360")
    parser.add_argument("--tone", type=int, default=440)
    parser.add_argument("--seconds", type=int, default=0)
    parser.add_argument("--print-sdp", action="store_true")
    options = parser.parse_args()
    Gst.init(None)
    Client(options).run()


main()
