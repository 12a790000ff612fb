"""How the databases of the partitions are tuned: up to 48 of them live in one worker and share its memory."""

from __future__ import annotations

from typing import Final

from rocksdict import BlockBasedOptions, Cache, DBCompressionType, DBRecoveryMode, Options

MEBIBYTE: Final = 1024 * 1024
MEMTABLE_BYTES: Final = 2 * MEBIBYTE


def store_options(cache: Cache) -> Options:
    """Options of one partition's database, with blocks in the cache that all partitions share."""
    options = Options(raw_mode=True)
    options.create_if_missing(True)
    options.set_write_buffer_size(MEMTABLE_BYTES)
    options.set_max_write_buffer_number(2)
    options.set_max_total_wal_size(4 * MEMTABLE_BYTES)
    # A torn tail of the log after lost power: up to there all is consistent, replay fills the rest.
    options.set_wal_recovery_mode(DBRecoveryMode.point_in_time())
    options.set_compression_type(DBCompressionType.lz4())
    options.set_target_file_size_base(4 * MEMTABLE_BYTES)
    options.set_max_bytes_for_level_base(16 * MEMTABLE_BYTES)
    options.set_block_based_table_factory(_blocks(cache))
    # Due timers leave behind tombstones that every scan of the next ones would have to pass.
    options.add_compact_on_deletion_collector_factory(10_000, 5_000, 0.5)
    options.set_max_open_files(256)
    _keep_quiet(options)
    return options


def _blocks(cache: Cache) -> BlockBasedOptions:
    blocks = BlockBasedOptions()
    blocks.set_block_cache(cache)
    blocks.set_block_size(16 * 1024)
    # Most look-ups of a new key or command id find nothing.
    blocks.set_bloom_filter(10, False)
    # Counted in the shared cache, so that its size bounds the memory of all partitions.
    blocks.set_cache_index_and_filter_blocks(True)
    blocks.set_pin_l0_filter_and_index_blocks_in_cache(True)
    blocks.set_format_version(5)
    return blocks


def _keep_quiet(options: Options) -> None:
    """Leave out what RocksDB writes about itself: a dozen idle partitions shall cost nothing."""
    options.set_stats_dump_period_sec(0)
    options.set_stats_persist_period_sec(0)
    options.set_keep_log_file_num(2)
    options.set_max_log_file_size(MEBIBYTE)
