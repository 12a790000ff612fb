"""Payloads as ciphertext on topics and on disk: keys, the envelope, and the cipher between them."""

from hephaestus_stream.encryption.cipher import NO_KEYS, Cipher
from hephaestus_stream.encryption.key import KeyProvider, Keyring

__all__ = ["NO_KEYS", "Cipher", "KeyProvider", "Keyring"]
