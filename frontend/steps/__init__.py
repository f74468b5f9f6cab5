"""The steps of the way, one module each: `show` draws one."""
