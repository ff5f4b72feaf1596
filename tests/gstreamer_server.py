"""A camera as GStreamer's RTSP server plays it; run with the system's Python, which has its bindings.

Prints the port, and serves a moving test picture until its input ends.
"""

import sys

import gi  # type: ignore[import-not-found]  # the system's Python has it

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # type: ignore[import-not-found]  # noqa: E402  versions come first

Gst.init(None)
server = GstRtspServer.RTSPServer(service="0", address="127.0.0.1")
factory = GstRtspServer.RTSPMediaFactory()
factory.set_launch(
    "( videotestsrc is-live=true pattern=ball ! video/x-raw,format=I420,width=320,height=240,framerate=20/1 ! jpegenc "
    "! rtpjpegpay name=pay0 pt=26 )"
)
server.get_mount_points().add_factory("/camera", factory)
server.attach(None)
sys.stdout.write(f"{server.get_bound_port()}\n")
sys.stdout.flush()
loop = GLib.MainLoop()
GLib.io_add_watch(sys.stdin, GLib.PRIORITY_DEFAULT, GLib.IO_IN | GLib.IO_HUP, lambda *_: loop.quit())
loop.run()
