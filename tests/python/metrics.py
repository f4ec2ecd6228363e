"""Reads metrics with Prometheus' own library, as strictly as it does: python3 metrics.py FILE"""

import sys

from prometheus_client.openmetrics.parser import text_string_to_metric_families

with open(sys.argv[1], encoding="utf-8") as file:
    families = list(text_string_to_metric_families(file.read()))

print(len(families))
