"""What the pages about depth as time use: experiments and drawings."""
