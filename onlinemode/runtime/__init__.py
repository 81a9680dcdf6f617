"""What the engines share: saved times, starts and their parts, threads of replicas, checkpoints, progress."""
