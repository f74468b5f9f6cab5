"""What tests of several folders share: scenes, videos, servers that behave or don't."""
