"""Who signed what: EIP-712 hashes of orders and of the login message, recovery of the signer, request HMAC."""
