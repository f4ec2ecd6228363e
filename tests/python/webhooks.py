"""Verifies recorded pushes with the published library: python3 webhooks.py FILE"""

import base64
import json
import sys

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

with open(sys.argv[1], encoding="utf-8") as file:
    recorded = json.load(file)

verified = refused = 0
for secret in recorded["secrets"]:
    webhook = Webhook(secret)
    for post in recorded["posts"]:
        body = base64.b64decode(post["body"]).decode("utf-8")
        webhook.verify(body, post["headers"])
        verified += 1
        try:
            webhook.verify(body + " ", post["headers"])
        except WebhookVerificationError:
            refused += 1

print(f"verified {verified}, refused {refused}")
