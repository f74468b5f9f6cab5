"""Following people within a shot: predict by optical flow, associate once, share out pixels."""
