"""Faust and aiokafka as a feed of record chunks."""
