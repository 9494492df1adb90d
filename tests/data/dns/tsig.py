"""Writes tsig.json: updates and responses that dnspython (2.9.2) has signed. python3 tests/data/dns/tsig.py >tests/data/dns/tsig.json"""

import base64
import json
import time

import dns.message
import dns.rcode
import dns.tsigkeyring
import dns.update

NOW = 1795900000
SECRETS = [b"certlet tests: a secret of 37 bytes!!", bytes(range(150))]  # the second is longer than the blocks of all hashes
ALGORITHMS = {
    "HMACMD5": "hmac-md5.sig-alg.reg.int",
    "HMACSHA1": "hmac-sha1",
    "HMACSHA256": "hmac-sha256",
    "HMACSHA512": "hmac-sha512",
}

time.time = lambda: float(NOW)
rows = []
for name, algorithm in ALGORITHMS.items():
    for secret in SECRETS:
        secret = base64.b64encode(secret).decode()
        keys = dns.tsigkeyring.from_text({"Key.Example.": (algorithm, secret)})
        update = dns.update.Update("dns01.example.")
        update.id = 0x1234
        update.add("_acme-challenge.web", 60, "TXT", "value")
        request = update.to_wire()
        update.use_tsig(keys, "Key.Example.", algorithm=algorithm)
        signed = update.to_wire()
        answer = dns.message.make_response(update)
        answer.set_rcode(dns.rcode.REFUSED)
        answer.use_tsig(keys, "Key.Example.", algorithm=algorithm)
        answer.request_mac = update.mac
        rows.append(
            {
                "algorithm": name,
                "secret": secret,
                "request": request.hex(),
                "signed": signed.hex(),
                "mac": update.mac.hex(),
                "response": answer.to_wire().hex(),
            }
        )
print(json.dumps(rows, indent=1))
