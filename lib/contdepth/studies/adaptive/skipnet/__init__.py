"""SkipNet on digits, half of them noisy: nets side by side, stages of training, random paths, who goes deeper."""
