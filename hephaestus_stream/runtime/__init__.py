"""The runtime: Faust, RocksDB and the transactional commit live here and nowhere else."""
