"""Signatures: EIP-712 hashes of orders, logins and wallet batches, recovery of the signer, and request HMAC."""
