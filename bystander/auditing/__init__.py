"""What an audit is made of: frames in step, likeness, sightings, masks, streams, the report."""
